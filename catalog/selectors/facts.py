"""What the rules judge, read for all instances at once: the number of queries does not depend on how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from catalog.models import Backup, Instance, LogCollector, LogGap, LogStretch, Verification
from catalog.models.instance import instance_key
from catalog.rules.facts import (
    BackupFacts,
    CollectorFacts,
    FailedBackup,
    FailedInstant,
    GapFacts,
    InstanceFacts,
)
from catalog.selectors.strip import BACKUP_TASK
from catalog.states import BackupState, CollectorState
from dataprotect.ops.models import Job

PITR_TASK = "catalog.tasks.run_pitr_test"
FAILURES_SINCE = timedelta(days=7)
NAMED = 3
_COLUMNS = {
    "key": "pk",
    "name": "name",
    "created_at": "created_at",
    "rpo_seconds": "tier__rpo_seconds",
    "rto_seconds": "tier__rto_seconds",
    "last_good_at": "last_good_at",
    "test_passed": "last_restore_test__passed",
    "tested_at": "last_restore_test__finished_at",
    "measured_rto": "rto_evidence__rto_seconds",
    "measured_at": "rto_evidence__finished_at",
    "probe_problem": "probe_problem",
    "probed_at": "probed_at",
    "clock_skew": "clock_skew_seconds",
}


def instance_facts(instances: QuerySet[Instance], now: datetime) -> Iterator[InstanceFacts]:
    """In the order of the query set. Four queries."""
    failed, lost, logged = failed_backups(now), failed_instants(), logged_until(instances)
    rows = instances.values_list(*_COLUMNS.values())
    for row in rows.iterator(chunk_size=2000):
        known: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
        yield InstanceFacts(
            **known,
            failed_backup=failed.get(known["key"]),
            failed_instant=lost.get(known["key"]),
            recoverable_at=logged.get(known["key"]),
        )


def failed_backups(now: datetime) -> dict[int, FailedBackup]:
    """The newest failed attempt of the last seven days by instance."""
    failed = Job.objects.filter(
        task=BACKUP_TASK, state__in=("failed", "errored"), created_at__gte=now - FAILURES_SINCE
    ).order_by("created_at")
    rows = failed.values_list("subject", "created_at", "error_message", "pk")
    return {instance_key(subject): FailedBackup(at, message, key) for subject, at, message, key in rows}


def failed_instants() -> dict[int, FailedInstant]:
    """The newest test of an instant that failed or did not pass, by instance, unless a later one passed."""
    tests = Job.objects.filter(task=PITR_TASK)
    passed = tests.filter(
        subject=OuterRef("subject"), created_at__gt=OuterRef("created_at"), result__passed=True
    )
    failed = tests.filter(Q(state__in=("failed", "errored")) | Q(result__passed=False))
    rows = failed.filter(~Exists(passed)).order_by("created_at")
    return {
        instance_key(subject): FailedInstant(at, message or "What was tested did not pass", key)
        for subject, at, message, key in rows.values_list("subject", "created_at", "error_message", "pk")
    }


def logged_until(instances: QuerySet[Instance]) -> Mapping[int, datetime]:
    """By instance, where log reaches further than the last good backup, without a break from it on."""
    unbroken = LogStretch.objects.filter(
        instance__in=instances.order_by().values("pk"),
        start_at__lte=F("instance__last_good_at"),
        end_at__gt=F("instance__last_good_at"),
    )
    newest = unbroken.order_by().values("instance_id").annotate(until=Max("end_at"))
    return dict(newest.values_list("instance_id", "until"))


def bad_backups() -> Iterator[BackupFacts]:
    """Every damaged or missing backup. Two queries."""
    bad = Backup.objects.filter(state__in=(BackupState.DAMAGED, BackupState.MISSING)).order_by("pk")
    columns = ("pk", "backup_id", "instance__name", "state", "state_changed_at")
    rows = list(bad.values_list(*columns))
    failed = Verification.objects.filter(backup__in=bad.order_by().values("pk"), passed=False)
    checks = dict(failed.order_by("finished_at").values_list("backup_id", "checks"))
    for key, backup_id, name, state, since in rows:
        found = findings_of(checks.get(key, []))
        yield BackupFacts(backup_id, name, BackupState(state).label.lower(), since, found)


def findings_of(checks: Iterable[Mapping[str, Any]]) -> str:
    """`packs/00000001: its SHA-256 is not the sealed one; …`, the first three."""
    bad = [f"{check['name']}: {check['found']}" for check in checks if check.get("passed") is False]
    return "; ".join(bad[:NAMED])


def open_gaps() -> Iterator[GapFacts]:
    """What nobody acknowledged yet."""
    gaps = LogGap.objects.filter(acknowledged_at=None).order_by("pk")
    for row in gaps.values_list(
        "pk", "instance_id", "instance__name", "from_position", "to_position", "reason"
    ):
        yield GapFacts(*row)


def collectors(streaming: Iterable[int]) -> Iterator[CollectorFacts]:
    """`streaming` are the instances whose policy asks for log; a collector's own choice goes before it."""
    by_policy = set(streaming)
    for row in LogCollector.objects.select_related("instance__tier").order_by("pk"):
        wanted = row.instance_id in by_policy if row.wanted is None else row.wanted
        yield CollectorFacts(
            instance_key=row.instance_id,
            instance=row.instance.name,
            rpo_seconds=row.instance.tier.rpo_seconds,
            wanted=wanted and row.state != CollectorState.OFF,
            failures=row.failures,
            last_error=row.last_error,
            last_shipped_at=row.last_shipped_at,
            lag_seconds=row.lag_seconds,
            slot_name=row.slot_name,
            slot_status=row.slot_status,
            slot_retained_bytes=row.slot_retained_bytes,
        )
