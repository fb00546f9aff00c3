"""A person says that another cluster replaces an instance's: after a major upgrade, or a server made anew."""

from __future__ import annotations

from django.db import transaction

from catalog.models import Instance, LogCollector
from catalog.services.access import Actor, require
from catalog.services.instance_probe import probe_record, probe_source
from catalog.services.opening import repository_open, source_of
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Probe
from dataprotect.ops.services.audit import audit_record

_BASE_REASON = "Another cluster was accepted as this instance's; no backup leads into its log yet."


def cluster_accept(*, actor: Actor, instance: Instance, system_identifier: str) -> Instance:
    """Accept the cluster that answers at the instance's address now; the one before is refused from here on.

    What is stored of the old one stays restorable. The next backup is a full, and its log begins anew.
    Raises `access.denied`, `instance.not_that_cluster`, and what connecting raises.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    found = probe_source(source_of(instance), instance.engine)
    if found.system_identifier != system_identifier:
        raise ForeseenError(
            "instance.not_that_cluster",
            f"The server at {instance.host}:{instance.port} is the cluster {found.system_identifier}, not "
            f"{system_identifier[:40]}.",
            "Make sure that it is the server you mean, then give the identifier that it has.",
        )
    stored = repository_open(instance.repository, write=True)
    stored.accept_cluster(instance.identifier, system_identifier)
    return _record(actor, instance, found)


@transaction.atomic
def _record(actor: Actor, instance: Instance, found: Probe) -> Instance:
    row = Instance.objects.select_for_update().select_related("tier", "repository").get(pk=instance.pk)
    before, row.system_identifier = row.system_identifier, found.system_identifier
    if before != found.system_identifier:
        LogCollector.objects.filter(instance=row).update(
            base_reason=_BASE_REASON, base_needed_since=clock.now()
        )
    probe_record(actor=actor, instance=row, found=found)
    data = {"from": before, "to": found.system_identifier}
    audit_record(actor=actor, verb="instance.cluster_accepted", subject=row, data=data)
    return row
