"""Each rule finds its trouble, and finds nothing once the trouble is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.rules import RULES, logs, places, protection, schedule, sizes, work
from catalog.rules.facts import (
    BackupFacts,
    CollectorFacts,
    DueFacts,
    FailedBackup,
    GapFacts,
    InstanceFacts,
    RepositoryFacts,
    SizeFacts,
    UsageSample,
    WorkFacts,
)
from dataprotect.ops.alert_finding import Finding

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 1 << 30
WELL = InstanceFacts(
    key=7, name="orders", created_at=NOW - 90 * 24 * HOUR, rpo_seconds=3600, rto_seconds=3600,
    last_good_at=NOW - HOUR / 2, test_passed=True, tested_at=NOW - HOUR, measured_rto=600.0,
)  # fmt: skip
JOB = UUID(int=1)


def codes(findings: Iterable[Finding]) -> dict[str, str]:
    """Severity by rule."""
    listed = list(findings)
    assert all(finding.rule in RULES and finding.title.endswith(".") for finding in listed)
    return {finding.rule: str(finding.severity) for finding in listed}


def test_a_well_protected_instance_needs_nobody() -> None:
    assert codes(protection.instance_findings(WELL, NOW)) == {}


@pytest.mark.parametrize(
    ("rule", "severity", "changes"),
    [
        ("never_backed_up", "critical", {"last_good_at": None, "test_passed": None}),
        ("rpo_breached", "critical", {"last_good_at": NOW - 2 * HOUR}),
        ("restore_test_failed", "critical", {"test_passed": False}),
        ("never_restore_tested", "info", {"test_passed": None, "tested_at": None}),
        ("rto_breached", "warning", {"measured_rto": 3601.0}),
        ("unreachable", "warning", {"probe_problem": "Connection refused"}),
        ("clock_skew", "warning", {"clock_skew": 5.0}),
        ("clock_skew", "critical", {"clock_skew": -60.0}),
        ("backup_failed", "warning", {"failed_backup": FailedBackup(NOW, "The disk is full", JOB)}),
    ],
)
def test_what_is_off_with_an_instance_is_found(rule: str, severity: str, changes: dict[str, object]) -> None:
    assert codes(protection.instance_findings(replace(WELL, **changes), NOW)) == {rule: severity}


@pytest.mark.parametrize(
    "changes",
    [
        {"last_good_at": NOW - 2 * HOUR, "recoverable_at": NOW - timedelta(seconds=5)},
        {"last_good_at": NOW - HOUR},
        {"measured_rto": 3600.0},
        {"clock_skew": 4.9},
        {"clock_skew": -4.9},
        {"failed_backup": FailedBackup(NOW - HOUR, "The disk is full", JOB)},
    ],
)
def test_what_is_still_right_is_not_found(changes: dict[str, object]) -> None:
    """Log reaches further than the backup; exactly the target; a good backup came after the failed one."""
    assert codes(protection.instance_findings(replace(WELL, **changes), NOW)) == {}


def test_the_title_does_not_change_from_minute_to_minute() -> None:
    """It is what a channel and the list show: only the detail counts up."""
    late = replace(WELL, last_good_at=NOW - 2 * HOUR, clock_skew=9.0)
    now, later = (list(protection.instance_findings(late, at)) for at in (NOW, NOW + HOUR))
    assert [finding.title for finding in now] == [finding.title for finding in later]
    assert [finding.key for finding in now] == [finding.key for finding in later]
    assert now[0].detail != later[0].detail


def test_a_failed_backup_leads_to_its_job() -> None:
    failed = replace(WELL, failed_backup=FailedBackup(NOW, "The disk is full", JOB))
    (finding,) = protection.instance_findings(failed, NOW)
    assert finding.link == f"/jobs/{JOB}/"
    assert finding.title == "The last backup of orders failed: The disk is full."


def test_a_damaged_backup_names_what_was_found() -> None:
    finding = protection.backup_damaged(
        BackupFacts("b-1", "orders", "damaged", NOW, "packs/1: it is missing")
    )
    assert "packs/1: it is missing." in finding.detail
    assert (finding.subject, finding.link) == ("backup:b-1", "/backups/b-1/")


def due(**changes: object) -> DueFacts:
    facts = DueFacts(7, "orders", "Full backup", NOW - HOUR / 2, late_after_seconds=3600)
    return replace(facts, **changes)


def test_a_run_is_overdue_when_its_policy_says_so() -> None:
    assert codes(schedule.due_findings(due(), NOW)) == {}
    assert codes(schedule.due_findings(due(due_at=NOW - HOUR), NOW)) == {}
    late = due(due_at=NOW - HOUR - timedelta(seconds=1))
    assert codes(schedule.due_findings(late, NOW)) == {"backup_overdue": "warning"}


def test_missed_occurrences_are_told_with_the_run_that_makes_up_for_them() -> None:
    (finding,) = schedule.due_findings(due(missed=3), NOW)
    assert finding.title == "The full backup of orders was missed 3 times."
    other = next(schedule.due_findings(due(missed=1, kind="Restore test"), NOW))
    assert finding.key != other.key, "two kinds are two troubles"


def test_each_gap_is_a_trouble_of_its_own() -> None:
    gap = GapFacts(3, 7, "orders", "0/1000000", "0/2000000", "The server removed it")
    assert logs.log_gap(gap).key != logs.log_gap(replace(gap, key=4)).key
    assert "0/1000000 to 0/2000000: The server removed it." in logs.log_gap(gap).detail


STREAM = CollectorFacts(
    7, "orders", rpo_seconds=300, wanted=True, last_shipped_at=NOW, lag_seconds=2.0,
    slot_name="dataprotect_orders", slot_status="reserved", slot_retained_bytes=GIB,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"lag_seconds": 300.0}, {}),
        ({"lag_seconds": 301.0}, {"log_late": "critical"}),
        ({"last_shipped_at": NOW - HOUR}, {"log_late": "critical"}),
        ({"last_shipped_at": NOW - HOUR, "wanted": False}, {}),
        ({"failures": 2, "last_error": "no"}, {}),
        ({"failures": 3, "last_error": "no"}, {"collector_failing": "warning"}),
        ({"failures": 3, "last_error": "no", "wanted": False}, {}),
        ({"slot_retained_bytes": 2 * GIB + 1}, {"slot_retained": "warning"}),
        ({"slot_retained_bytes": 4 * GIB + 1}, {"slot_retained": "critical"}),
        ({"slot_status": "unreserved"}, {"slot_retained": "critical"}),
        ({"slot_status": "lost"}, {"slot_retained": "critical"}),
        ({"slot_retained_bytes": 5 * GIB, "wanted": False}, {"slot_retained": "critical"}),
    ],
)
def test_streams_of_log(changes: dict[str, object], found: dict[str, str]) -> None:
    assert codes(logs.collector_findings(replace(STREAM, **changes), NOW, 2 * GIB)) == found


PLACE = RepositoryFacts(
    3, "vault", free_bytes=900 * GIB, stored_bytes=100 * GIB, oldest_read_at=NOW - 24 * HOUR
)


def filling(gib_a_day: float, free_now: float, days: int = 10) -> tuple[UsageSample, ...]:
    return tuple(
        UsageSample(NOW - timedelta(days=ago), 0, int((free_now + gib_a_day * ago) * GIB))
        for ago in range(days, -1, -1)
    )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"unreachable": True, "problem": "It is not mounted"}, {"repository_unreachable": "critical"}),
        ({"free_bytes": None}, {}),
        ({"free_bytes": 14 * GIB, "stored_bytes": 86 * GIB}, {"repository_filling": "warning"}),
        ({"free_bytes": 4 * GIB, "stored_bytes": 96 * GIB}, {"repository_filling": "critical"}),
        ({"history": filling(10, 900)}, {}),
        ({"history": filling(100, 900)}, {"repository_filling": "warning"}),
        ({"history": filling(400, 900)}, {"repository_filling": "critical"}),
        ({"history": filling(-50, 900)}, {}),
        ({"history": filling(400, 900, days=1)}, {}),
        ({"oldest_read_at": NOW - timedelta(days=33)}, {}),
        ({"oldest_read_at": NOW - timedelta(days=33, seconds=1)}, {"scrub_late": "warning"}),
        ({"oldest_read_at": None}, {}),
    ],
)
def test_repositories(changes: dict[str, object], found: dict[str, str]) -> None:
    assert codes(places.repository_findings(replace(PLACE, **changes), NOW, 30)) == found


@given(rate=st.floats(0.1, 1000), free=st.floats(1, 100_000), days=st.integers(2, 30))
def test_the_forecast_of_a_steady_growth_is_exact(rate: float, free: float, days: int) -> None:
    ahead = places.forecast(filling(rate, free, days))
    assert ahead is not None and ahead.days_left is not None
    assert ahead.bytes_per_day == pytest.approx(rate * GIB, rel=1e-3)
    assert ahead.days_left == pytest.approx(free / rate, rel=1e-3)


FULL = SizeFacts("b-9", 7, "orders", "full", 10 * GIB, (10 * GIB, 11 * GIB, 9 * GIB, 10 * GIB))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, ""),
        ({"bytes_read": 5 * GIB}, ""),
        ({"bytes_read": 5 * GIB - 1}, "smaller"),
        ({"bytes_read": 20 * GIB + 1}, "larger"),
        ({"bytes_read": 1, "before": (10 * GIB,) * 3}, ""),
        ({"bytes_read": 1 << 20, "before": (3 << 20,) * 9}, ""),
        ({"bytes_read": 1, "before": (10 * GIB, 10 * GIB, 10 * GIB, 1, 1)}, "smaller"),
        ({"type": "incremental", "bytes_read": 60 * GIB}, ""),
        ({"type": "incremental", "bytes_read": 101 * GIB}, "larger"),
    ],
)
def test_sizes_out_of_line(changes: dict[str, object], word: str) -> None:
    """Few backups before, or little data, prove nothing; an odd one among many does not move the median."""
    finding = sizes.size_anomaly(replace(FULL, **changes))
    assert (word in finding.title if word else False) if finding else not word


WORKS = WorkFacts(swept_at=NOW)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"stop_reason": "fire"}, {"stop_active": "critical"}),
        ({"key_problem": "gone"}, {"key_unreachable": "critical"}),
        ({"swept_at": None}, {"worker_missing": "critical"}),
        ({"swept_at": NOW - HOUR}, {"worker_missing": "critical"}),
        ({"silent_workers": (("db1", NOW - HOUR),)}, {"worker_missing": "warning"}),
        ({"waiting_since": NOW - timedelta(minutes=10), "waiting": 2}, {}),
        ({"waiting_since": NOW - timedelta(minutes=11), "waiting": 2}, {"queue_stuck": "warning"}),
    ],
)
def test_the_installation_itself(changes: dict[str, object], found: dict[str, str]) -> None:
    assert codes(work.work_findings(replace(WORKS, **changes), NOW)) == found
