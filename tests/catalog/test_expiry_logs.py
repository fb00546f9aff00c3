"""Expiry of log that was really shipped: what windows and backups need stays, and rows say what is there."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.models import LogGap, LogStretch
from catalog.services import hold_place
from catalog.services.log_stretch import stretches_adopt
from dataprotect.core import steps
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.ops import queue
from dataprotect.ops.models import AuditEvent, Job
from dataprotect.storage.logs import LogReader, LogWriter
from tests.catalog.retained import OPERATOR, SYSTEM, Retained
from tests.catalog.test_expiry import run_child

pytestmark = pytest.mark.django_db(transaction=True)
SEGMENT = 1 << 20


class Logged(Retained):
    """Segments 0 to 34 of timeline 1; bases at segments 1 (10 days ago), 20 (5 days) and 30 (1 day)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        type(self.policy).objects.update(log_window_days=2, keep_daily_days=30)
        for segment, days in ((1, 10), (20, 5), (30, 1)):
            self.backup(
                f"base{segment}", days, start_position=lsn.text(segment * SEGMENT + 40),
                stop_position=lsn.text(segment * SEGMENT + 5000), fingerprint_position="",
            )  # fmt: skip
        writer = LogWriter.open(
            self.stored, self.instance.identifier, system_identifier=SYSTEM, segment_size=SEGMENT
        )
        for number in range(35):
            data = bytes([number]) * SEGMENT
            writer.ship_segment(f"{1:08X}{0:08X}{number:08X}", reading(data))
        writer.ship_slice(f"{1:08X}{0:08X}{35:08X}", 0, 8192, reading(bytes(8192)))
        stretches_adopt(instance=self.instance, repository=self.repository, stored=self.stored, headers=False)

    def segments(self) -> list[int]:
        """Numbers of the segments that are stored, whole or in slices."""
        objects = LogReader(self.stored, self.instance.identifier).objects()
        return sorted(item.start // SEGMENT for item in objects)

    def stretches(self) -> list[tuple[float, float]]:
        rows = LogStretch.objects.filter(instance=self.instance)
        return sorted(
            (lsn.parse(row.start_position) / SEGMENT, lsn.parse(row.end_position) / SEGMENT) for row in rows
        )


def reading(data: bytes):  # type: ignore[no-untyped-def]
    return lambda offset, length: data[offset : offset + length]


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    monkeypatch.setattr(steps, "hook", steps.hook)
    return Logged(tmp_path)


KEPT = [1, *range(20, 36)]
END = 35 + 8192 / SEGMENT


def test_the_window_and_what_a_base_needs_itself_stay(logged: Logged) -> None:
    assert logged.stretches() == [(0, END)]
    done = logged.expire()
    assert logged.segments() == KEPT
    assert (done["log_objects"], done["placed"]) == (19, [])
    assert done["log_bytes"] > 0
    assert logged.stretches() == [(1, 2), (20, END)]
    gap = LogGap.objects.get()
    assert (gap.code, gap.acknowledged_by) == ("logs.expired", "system")
    event = AuditEvent.objects.get(verb="expiry.logs_deleted")
    assert event.data["objects"] == 19 and event.data["first"].endswith("/000000010000000000000000")
    assert logged.expire()["log_objects"] == 0
    stretches_adopt(
        instance=logged.instance, repository=logged.repository, stored=logged.stored, headers=False
    )
    assert LogGap.objects.count() == 1, "what retention let go is no unexplained gap"


def test_a_base_that_goes_takes_its_own_log_with_it(logged: Logged, settings: object) -> None:
    settings.EXPIRY_GRACE_DAYS = 0  # type: ignore[attr-defined]
    type(logged.policy).objects.update(keep_daily_days=7)
    assert logged.expire()["deleted"] == ["base1"]
    assert logged.segments() == list(range(20, 36))
    assert logged.stretches() == [(20, END)]


def test_during_the_grace_time_the_log_of_the_tombstoned_stays(logged: Logged) -> None:
    type(logged.policy).objects.update(keep_daily_days=7)
    assert logged.expire()["placed"] == ["base1"]
    assert logged.segments() == KEPT


def test_a_hold_on_the_instance_keeps_all_log(logged: Logged) -> None:
    hold_place(actor=OPERATOR, instance=logged.instance, reason="Audit.", matter="M-1")
    assert logged.expire()["log_objects"] == 0
    assert logged.stretches() == [(0, END)]


def test_without_a_good_backup_no_log_goes(logged: Logged) -> None:
    logged.instance.backups.update(state="damaged")
    assert logged.expire()["log_objects"] == 0


def test_a_backup_that_does_not_name_its_cluster_counts_for_all(logged: Logged) -> None:
    logged.instance.backups.update(system_identifier="")
    logged.expire()
    assert logged.segments() == KEPT


def test_a_cluster_without_a_backup_keeps_its_log_until_it_had_one(logged: Logged) -> None:
    """The server was replaced: its log comes before its first backup does."""
    logged.instance.backups.update(system_identifier="another")
    assert logged.expire()["log_objects"] == 0
    logged.backup("former", 40, state="deleted", system_identifier=SYSTEM)
    assert logged.expire()["log_objects"] == 36


def test_log_that_is_being_restored_from_waits(logged: Logged) -> None:
    job = queue.enqueue(
        "restores.tasks.run_clone", arguments={"backup_id": "elsewhere"}, actor=OPERATOR,
        subject=logged.instance.subject,
    )  # fmt: skip
    assert logged.expire()["log_objects"] == 0
    Job.objects.filter(pk=job.pk).update(state="cancelled")
    assert logged.expire()["log_objects"] == 19


def test_rows_shrink_before_objects_go(logged: Logged) -> None:
    """No window may count on log that is about to be deleted."""
    seen = []

    def hook(name: str) -> None:
        if name == "deletion.before_log" and not seen:
            seen.append((logged.stretches(), len(logged.segments())))

    steps.hook = hook
    logged.expire()
    assert seen == [([(1, 2), (20, END)], 36)]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("step", ["expiry.after_trim", "deletion.before_log", "deletion.after_log"])
def test_kill_at(step: str, logged: Logged) -> None:
    died = run_child(step)
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    assert logged.stretches() == [(1, 2), (20, END)]
    assert set(logged.segments()) >= set(KEPT)
    logged.expire()
    assert logged.segments() == KEPT
    assert logged.stretches() == [(1, 2), (20, END)]


def test_what_stays_can_still_be_fetched(logged: Logged, tmp_path: Path) -> None:
    logged.expire()
    reader = LogReader(logged.stored, logged.instance.identifier)
    place = tmp_path / "fetched"
    assert reader.fetch(f"{1:08X}{0:08X}{20:08X}", place) == SEGMENT
    assert place.read_bytes() == bytes([20]) * SEGMENT
