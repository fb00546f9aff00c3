"""A full backup that new log needs is asked for once, and not while a restore is about to take one itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog.models import Backup, Instance, LogCollector, LogStretch
from catalog.services.backup_start import TASK, backup_start
from catalog.services.log_housekeeping import backup_check, base_ask
from dataprotect.core import clock
from dataprotect.ops import queue
from dataprotect.ops.models import Job
from tests.catalog.policy.conftest import make_backup

__all__ = ["make_backup"]
pytestmark = pytest.mark.django_db(transaction=True)
NOW = clock.now()
FIRST, SECOND = "20261101T000000Z-a", f"{clock.compact(NOW - timedelta(seconds=30))}-b"


@pytest.fixture
def instance(make_instance: Callable[[], Instance]) -> Instance:
    """Its server is on timeline 2 by a restore, and the stream has said that a base is needed."""
    made = make_instance()
    LogCollector.objects.create(
        instance=made, timeline=2, base_reason="The server left timeline 1.", base_needed_since=NOW
    )
    return made


def asked() -> int:
    return Job.objects.filter(task=TASK, actor="system:collector").count()


def stretch(instance: Instance, lineage: str, timeline: int, start: str, end: str) -> None:
    LogStretch.objects.create(
        instance=instance, repository=instance.repository, lineage=lineage, timeline=timeline,
        system_identifier=instance.system_identifier, start_position=start, end_position=end,
    )  # fmt: skip


def full(make_backup: Callable[..., Backup], instance: Instance, timeline: int = 2) -> Backup:
    """Begun and ended before the collector knew that one is needed."""
    return make_backup(
        instance, NOW - timedelta(seconds=1), timeline=timeline, start_position="0/400028",
        stop_position="0/400100", system_identifier=instance.system_identifier,
    )  # fmt: skip


def test_a_restore_at_work_is_waited_for_and_then_it_is_asked_once(instance: Instance) -> None:
    restore = queue.enqueue(
        "restores.tasks.run_restore", arguments={}, actor="anna", subject=instance.subject, title="Restore",
        exclusive=instance.restoring_key,
    )  # fmt: skip
    base_ask(instance=instance)
    assert asked() == 0
    Job.objects.filter(pk=restore.pk).update(state="succeeded", finished_at=NOW)
    base_ask(instance=instance)
    base_ask(instance=instance)
    assert asked() == 1


def test_one_that_waits_in_the_queue_already_will_do(instance: Instance) -> None:
    job = backup_start(actor="system:test", instance=instance)
    Job.objects.filter(pk=job.pk).update(created_at=NOW - timedelta(minutes=5))
    base_ask(instance=instance)
    assert asked() == 0


def test_one_begun_before_that_lies_inside_the_growing_log_will_do(
    instance: Instance, make_backup: Callable[..., Backup]
) -> None:
    full(make_backup, instance)
    stretch(instance, FIRST, 2, "0/300000", "0/500000")
    base_ask(instance=instance)
    assert LogCollector.objects.get().base_reason, "nothing was shipped since: it may be the log before a gap"
    LogCollector.objects.update(last_shipped_at=NOW + timedelta(seconds=5))
    base_ask(instance=instance)
    assert not LogCollector.objects.get().base_reason


@pytest.mark.parametrize(
    ("timeline", "start", "lineage"),
    [(1, "0/300000", FIRST), (2, "0/450000", FIRST), (2, "0/300000", f"{clock.compact(NOW)}-c")],
    ids=["of the timeline that was left", "from before a gap", "before the server was put back"],
)
def test_one_that_does_not_lead_into_the_growing_log_will_not(
    instance: Instance, make_backup: Callable[..., Backup], timeline: int, start: str, lineage: str
) -> None:
    full(make_backup, instance, timeline=timeline)
    stretch(instance, FIRST, 2, "0/100000", "0/200000")
    stretch(instance, lineage, 2, start, "0/500000")
    LogCollector.objects.update(last_shipped_at=NOW + timedelta(seconds=5))
    base_ask(instance=instance)
    assert LogCollector.objects.get().base_reason and asked() == 1


def test_a_backup_is_held_against_the_log_of_its_own_past(
    instance: Instance, make_backup: Callable[..., Backup]
) -> None:
    """After a rollback another log may bear its timeline and positions."""
    taken = full(make_backup, instance)
    stretch(instance, FIRST, 2, "0/300000", "0/500000")
    assert backup_check(backup=taken).continuous
    stretch(instance, SECOND, 2, "0/100000", "0/200000")
    assert not backup_check(backup=taken).continuous
