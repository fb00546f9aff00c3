"""The timeline from rows: the same windows as from the repository, few questions, few marks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test.utils import CaptureQueriesContext

from catalog.models import Backup, Heartbeat, Instance, LogGap, LogHistory, LogStretch, Repository, Tier
from catalog.selectors.recovery import MARKS, recovery_timeline
from catalog.states import BackupState
from dataprotect.engine.databases.postgresql import lsn

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LINEAGE = "20261122T110000Z-aaaa"
MIB = 1 << 20
CLUSTER = "7000000000000000001"

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> Instance:
    repository = Repository.objects.create(name="local", url="/srv/backups")
    return Instance.objects.create(
        identifier="orders-1", name="orders", host="127.0.0.1", user="postgres", environment="staging",
        tier=Tier.objects.get(name="standard"), repository=repository, system_identifier=CLUSTER,
    )  # fmt: skip


def at(mib: float) -> str:
    return lsn.text(int(mib * MIB))


def back_up(instance: Instance, number: int, stop: int, state: BackupState = BackupState.CHECKED) -> None:
    Backup.objects.create(
        backup_id=f"b{number}", instance=instance, repository=instance.repository, state=state,
        state_changed_at=NOON, started_at=NOON, stopped_at=NOON + timedelta(seconds=stop), seconds=1,
        start_position=at(stop - 4), stop_position=at(stop), fingerprint_position=at(stop + 1),
        system_identifier=CLUSTER,
    )  # fmt: skip


def stretch(instance: Instance, start: int, end: int, timeline: int = 1) -> None:
    LogStretch.objects.create(
        instance=instance, repository=instance.repository, lineage=LINEAGE, system_identifier=CLUSTER,
        timeline=timeline, start_position=at(start), end_position=at(end),
    )  # fmt: skip


def test_rows_give_windows_gaps_and_marks(instance: Instance) -> None:
    back_up(instance, 1, 20)
    back_up(instance, 2, 50, BackupState.STORED)
    back_up(instance, 3, 90)
    back_up(instance, 4, 95, BackupState.DELETED)
    stretch(instance, 16, 48)
    stretch(instance, 64, 112)
    stretch(instance, 96, 160, 2)
    LogHistory.objects.create(
        instance=instance,
        lineage=LINEAGE,
        timeline=2,
        content=f"1\t{at(100)}\tno recovery target specified\n",
    )
    LogGap.objects.create(
        instance=instance, timeline=1, from_position=at(48), to_position=at(64), code="logs.wal_removed",
        reason="It was removed.", noticed_at=NOON, acknowledged_by="anna", acknowledged_at=NOON,
    )  # fmt: skip
    Heartbeat.objects.bulk_create(
        Heartbeat(
            instance=instance, at=NOON + timedelta(seconds=second), position=at(second), timeline=timeline
        )
        for timeline, seconds in ((1, range(16, 96, 5)), (2, range(101, 160, 5)))
        for second in seconds
    )
    found = recovery_timeline(instance=instance)
    followed = [window for window in found.windows if not window.abandoned]
    assert [(window.backup_ids, window.timeline) for window in followed] == [(("b1",), 1), (("b3",), 2)]
    assert found.newest_at == NOON + timedelta(seconds=155)
    assert [window.timeline for window in found.windows if window.abandoned] == [1]
    codes = [(gap.code, gap.acknowledged) for gap in found.gaps]
    assert ("logs.wal_removed", "anna") in codes and ("timeline.no_base", "") in codes
    assert [(mark.backup_id, mark.good) for mark in found.backups] == [
        ("b1", True),
        ("b2", False),
        ("b3", True),
    ]


def test_however_much_there_is_the_questions_are_the_same_and_the_marks_few(
    instance: Instance, django_assert_num_queries: CaptureQueriesContext
) -> None:
    stretch(instance, 16, 90_000)
    for number in range(MARKS * 3):
        back_up(instance, number, 20 + number * 40)
    Heartbeat.objects.bulk_create(
        Heartbeat(instance=instance, at=NOON + timedelta(seconds=second), position=at(second), timeline=1)
        for second in range(20, 60_000, 10)
    )
    with django_assert_num_queries(5):  # type: ignore[operator]
        found = recovery_timeline(instance=instance)
    assert len(found.backups) <= MARKS
    assert found.backups[-1].backup_id == f"b{MARKS * 3 - 1}", "the newest is always drawn"
    assert len(found.windows) == 1
