"""Connecting to an instance to see what it is, and writing down what was found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import CharField, F, Q, Value
from django.db.models.functions import Cast, Concat

from catalog.models import Instance, InstanceDatabase
from catalog.services.access import Actor, require
from catalog.services.log_slots_watch import slots_watch
from catalog.services.opening import source_of
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import databases
from dataprotect.engine.model import Probe, Source, as_plain
from dataprotect.ops import queue, states, stop
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record

TASK = "catalog.tasks.run_probe"
_PROBED_EVERY, _AGAIN_AFTER = timedelta(hours=6), timedelta(minutes=15)
_AT_ONCE = 200
"""With a round every five minutes, ten thousand instances are through in a little more than four hours."""

_FACTS = [
    "system_identifier", "server_version", "size_bytes", "data_checksums", "in_recovery",
    "connection_encrypted", "connection_tls_protocol", "clock_skew_seconds", "data_directory_readable",
    "probe_warnings", "probe_problem", "probed_at", "updated_at",
]  # fmt: skip


def instance_probe_start(*, actor: Actor, instance: Instance) -> Job:
    """A connection test as a job. Raises `access.denied`."""
    require(actor=actor, permission="catalog.view_instance", instance=instance)
    return queue.enqueue(
        TASK,
        arguments={"instance_id": instance.pk},
        actor=actor,
        subject=instance.subject,
        title=f"Connect to {instance.name}",
    )


def instances_probe_start(now: datetime) -> int:
    """By the clock: a connection test of protected instances looked at longest ago; how many were started.

    So a clock that drifts, a server that is gone and a size that grows are noticed between two backups.
    """
    if stop.stop_reason() is not None:
        return 0
    troubled = ~Q(probe_problem="") & Q(probed_at__lt=now - _AGAIN_AFTER)
    old = Q(probed_at=None) | Q(probed_at__lt=now - _PROBED_EVERY)
    under_way = Job.objects.filter(task=TASK, state__in=states.ACTIVE).values("subject")
    subject = Concat(Value("instance:"), Cast("pk", CharField()))
    due = (
        Instance.objects.filter(old | troubled, policy__isnull=False)
        .annotate(about=subject)
        .exclude(about__in=under_way)
        .order_by(F("probed_at").asc(nulls_first=True), "pk")[:_AT_ONCE]
    )
    for instance in due:
        instance_probe_start(actor="system:schedule", instance=instance)
    return len(due)


def instance_probe_run(*, context: JobContext, instance_id: int) -> dict[str, Any]:
    """Probe and record; a server that is another one or cannot be reached fails the job and is noted."""
    instance = Instance.objects.get(pk=instance_id)
    context.phase("connect")
    try:
        found = probe_source(source_of(instance), instance.engine)
        with transaction.atomic():
            context.hold()
            probe_record(actor=context.actor, instance=instance, found=found)
    except ForeseenError as error:
        _record_problem(context, instance, error)
        raise
    slots_watch(instance=instance, reporter=context)
    return as_plain(found)


def probe_source(source: Source, engine: str) -> Probe:
    return databases.get(engine).probe(source)


def probe_record(*, actor: Actor, instance: Instance, found: Probe) -> None:
    """In the caller's transaction. Refuses a server that is another one than was registered."""
    _refuse_another(instance, found)
    instance.system_identifier = found.system_identifier
    instance.server_version = found.version[:120]
    instance.size_bytes = found.size_bytes
    instance.data_checksums = found.data_checksums
    instance.in_recovery = found.in_recovery
    instance.connection_encrypted = found.encrypted
    instance.connection_tls_protocol = found.tls_protocol or ""
    instance.clock_skew_seconds = found.clock_skew_seconds
    instance.data_directory_readable = found.data_directory_readable
    instance.probe_warnings = list(found.warnings)
    instance.probe_problem, instance.probed_at = "", clock.now()
    instance.save(update_fields=_FACTS)
    _record_databases(instance, found)
    data = {
        "version": found.version, "encrypted": found.encrypted, "databases": len(found.databases),
        "system_identifier": found.system_identifier,
    }  # fmt: skip
    audit_record(actor=actor, verb="instance.probed", subject=instance, data=data)


def _refuse_another(instance: Instance, found: Probe) -> None:
    known = instance.system_identifier
    if known and known != found.system_identifier:
        raise ForeseenError(
            "instance.another_server",
            f"The server at {instance.host}:{instance.port} is not the one registered as {instance.name}: "
            f"its system identifier is {found.system_identifier}, not {known}.",
            "Correct the address, or register the new server under a name of its own. When it replaces the "
            f"other one on purpose, run: manage.py accept_cluster {instance.name} {found.system_identifier}",
        )


def _record_databases(instance: Instance, found: Probe) -> None:
    now = clock.now()
    instance.databases.update(is_present=False)
    InstanceDatabase.objects.bulk_create(
        [
            InstanceDatabase(
                instance=instance,
                name=database.name,
                size_bytes=database.size_bytes,
                tables=database.tables,
                safe_name=database.safe_name,
                first_seen_at=now,
                last_seen_at=now,
                is_present=True,
            )
            for database in found.databases
        ],
        update_conflicts=True,
        unique_fields=["instance", "name"],
        update_fields=["size_bytes", "tables", "safe_name", "last_seen_at", "is_present"],
    )


@transaction.atomic
def _record_problem(context: JobContext, instance: Instance, error: ForeseenError) -> None:
    context.hold()
    instance.probe_problem, instance.probed_at = error.message[:500], clock.now()
    instance.save(update_fields=["probe_problem", "probed_at", "updated_at"])
    audit_record(
        actor=context.actor, verb="instance.probe_failed", subject=instance, data={"code": error.code}
    )
