"""What jobs of the catalog call: thin doors, one service call each."""

from __future__ import annotations

from typing import Any

from catalog.services.alerts_evaluate import alerts_evaluate
from catalog.services.backup_run import backup_run
from catalog.services.catalog_rebuild import catalog_rebuild_run
from catalog.services.expiry_run import expiry_run
from catalog.services.expiry_start import expiry_start_all
from catalog.services.instance_probe import instance_probe_run, instances_probe_start
from catalog.services.key_rotate import key_rotate_run
from catalog.services.pitr_test_run import pitr_test_run
from catalog.services.repository_check import repository_check_run
from catalog.services.retention_audit import retention_audit_run
from catalog.services.schedule_run import schedule_run
from catalog.services.scrub_run import scrub_run
from catalog.services.scrub_start import scrub_start_all
from catalog.services.usage_sample import usage_sample
from catalog.services.verification_run import verification_run
from dataprotect.core import clock
from dataprotect.ops.context import JobContext


def run_backup(context: JobContext, *, instance_id: int, type: str, reader: str) -> dict[str, Any]:
    return backup_run(context=context, instance_id=instance_id, type=type, reader=reader)


def run_verification(context: JobContext, *, backup_id: str, level: str) -> dict[str, Any]:
    return verification_run(context=context, backup_id=backup_id, level=level)


def run_probe(context: JobContext, *, instance_id: int) -> dict[str, Any]:
    return instance_probe_run(context=context, instance_id=instance_id)


def run_repository_check(context: JobContext, *, repository_id: int) -> dict[str, Any]:
    return repository_check_run(context=context, repository_id=repository_id)


def run_rebuild(context: JobContext, *, repository_id: int) -> dict[str, Any]:
    return catalog_rebuild_run(context=context, repository_id=repository_id)


def run_pitr_test(context: JobContext, *, instance_id: int, target: dict[str, str]) -> dict[str, Any]:
    return pitr_test_run(context=context, instance_id=instance_id, target=target)


def run_key_rotation(context: JobContext) -> dict[str, Any]:
    return key_rotate_run(context=context)


def run_expiry(context: JobContext, *, repository_id: int) -> dict[str, Any]:
    return expiry_run(context=context, repository_id=repository_id)


def run_retention_audit(context: JobContext) -> dict[str, Any]:
    return retention_audit_run(context=context)


def expire_all() -> int:
    return expiry_start_all()


def run_scrub(context: JobContext, *, repository_id: int, share: float) -> dict[str, Any]:
    return scrub_run(context=context, repository_id=repository_id, share=share)


def evaluate_alerts() -> dict[str, int]:
    """Once a minute, by the clock."""
    return alerts_evaluate()


def sample_usage() -> int:
    """Once an hour, by the clock."""
    return usage_sample()


def start_probes() -> int:
    """Every five minutes, by the clock."""
    return instances_probe_start(clock.now())


def start_scrubs() -> int:
    """Every six hours, by the clock."""
    return scrub_start_all()


def run_schedule() -> dict[str, int]:
    """Once a minute."""
    return schedule_run()
