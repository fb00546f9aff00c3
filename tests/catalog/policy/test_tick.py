"""The schedule's tick on rows: what is due is written down once, started once, within the limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Backup, Blackout, Instance, Policy, Repository, ScheduledRun
from catalog.services.instance_probe import instances_probe_start
from catalog.services.schedule_run import schedule_run
from catalog.services.verification_start import verification_start
from dataprotect.ops import stop
from dataprotect.ops.models import Job
from tests.catalog.policy.conftest import SUNDAY, YESTERDAY


@pytest.fixture(autouse=True)
def presets_of_old(db: None) -> None:
    """As if the presets had been there before."""
    Policy.objects.update(created_at=YESTERDAY)


def states(instance: Instance) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for run in ScheduledRun.objects.filter(instance=instance).order_by("due_at"):
        found.setdefault(run.kind, []).append(run.state)
    return found


def end_jobs(state: str = "succeeded", **more: object) -> None:
    Job.objects.exclude(state="succeeded").update(
        state=state, finished_at=SUNDAY + timedelta(minutes=20), **more
    )


def test_at_one_minute_the_full_backup_covers_the_others(protected: Callable[..., Instance]) -> None:
    instance = protected()
    assert schedule_run(SUNDAY + timedelta(seconds=20))["started"] == 1
    runs = {run.kind: run for run in ScheduledRun.objects.filter(instance=instance, due_at=SUNDAY)}
    assert {kind: run.state for kind, run in runs.items()} == {
        "full": "started", "differential": "covered", "incremental": "covered",
    }  # fmt: skip
    assert "Covered by the full backup due 2026-06-07 01:00 UTC." in runs["incremental"].note
    job = Job.objects.get()
    assert runs["full"].job == job and job.arguments["type"] == "full"
    assert job.actor == "system:schedule"


def test_nothing_is_started_twice_however_often_it_is_looked_at(protected: Callable[..., Instance]) -> None:
    protected()
    for second in range(0, 180, 20):
        schedule_run(SUNDAY + timedelta(seconds=second))
    assert Job.objects.count() == 1
    assert ScheduledRun.objects.filter(due_at=SUNDAY).count() == 3


def test_ten_missed_hours_are_caught_up_by_one_backup(protected: Callable[..., Instance]) -> None:
    instance = protected(policy_since=SUNDAY + timedelta(hours=2, minutes=5))
    noon = SUNDAY + timedelta(hours=12, minutes=10)
    schedule_run(noon)
    run = ScheduledRun.objects.get(instance=instance, kind="incremental")
    assert Job.objects.filter(kind="run_backup").count() == 1
    assert run.due_at == SUNDAY + timedelta(hours=12)
    assert run.missed == 9
    assert "9 earlier runs were missed" in run.note
    schedule_run(noon + timedelta(minutes=1))
    assert Job.objects.filter(kind="run_backup").count() == 1


def test_the_first_backup_is_taken_at_once(protected: Callable[..., Instance]) -> None:
    instance = protected(last_good_at=None, policy_since=None)
    schedule_run(SUNDAY + timedelta(minutes=7))
    run = ScheduledRun.objects.get(instance=instance)
    assert (run.kind, run.state) == ("full", "started")
    assert "the first one" in run.note
    schedule_run(SUNDAY + timedelta(minutes=8))
    assert Job.objects.count() == 1


def test_a_policy_given_after_the_minute_starts_with_the_next(protected: Callable[..., Instance]) -> None:
    instance = protected(policy_since=SUNDAY + timedelta(minutes=30))
    schedule_run(SUNDAY + timedelta(minutes=31))
    assert not ScheduledRun.objects.filter(instance=instance).exists()


def test_how_a_job_ended_is_how_its_run_ended(protected: Callable[..., Instance]) -> None:
    instance = protected()
    schedule_run(SUNDAY)
    end_jobs("failed", error_message="The server cannot be reached.", error_code="x")
    schedule_run(SUNDAY + timedelta(minutes=21))
    run = ScheduledRun.objects.get(instance=instance, kind="full")
    assert (run.state, run.note) == ("failed", "The server cannot be reached.")
    assert run.ended_at == SUNDAY + timedelta(minutes=20)


def test_while_a_backup_runs_the_hours_after_it_wait_as_one(protected: Callable[..., Instance]) -> None:
    instance = protected()
    schedule_run(SUNDAY)
    for hour in (1, 2, 3):
        schedule_run(SUNDAY + timedelta(hours=hour, seconds=5))
    assert states(instance)["incremental"] == ["covered", "covered", "covered", "waiting"]
    waiting = ScheduledRun.objects.get(instance=instance, state="waiting", kind="incremental")
    assert "another job" in waiting.note
    end_jobs()
    assert schedule_run(SUNDAY + timedelta(hours=3, minutes=1))["started"] >= 1
    waiting.refresh_from_db()
    assert waiting.state == "started"


def test_the_backup_window_holds_backups_back(protected: Callable[..., Instance]) -> None:
    Policy.objects.filter(name="critical").update(
        backup_window_start=time(2, 30), backup_window_end=time(4, 0)
    )
    protected()
    schedule_run(SUNDAY)
    assert Job.objects.count() == 0
    assert "02:30 to 04:00 (UTC)" in ScheduledRun.objects.get(state="waiting").note
    schedule_run(SUNDAY + timedelta(hours=1, minutes=30))
    assert Job.objects.get().arguments["type"] == "full"


def test_a_blackout_holds_everything_back(protected: Callable[..., Instance]) -> None:
    policy = Policy.objects.get(name="critical")
    Blackout.objects.create(
        policy=policy, reason="Closing of the year", starts_at=SUNDAY, ends_at=SUNDAY + timedelta(hours=5)
    )
    protected()
    schedule_run(SUNDAY + timedelta(hours=4))
    assert Job.objects.count() == 0
    assert all("Closing of the year" in run.note for run in ScheduledRun.objects.filter(state="waiting"))
    schedule_run(SUNDAY + timedelta(hours=5))
    assert Job.objects.filter(kind="run_backup").count() == 1


def test_the_emergency_stop_holds_everything_back(
    protected: Callable[..., Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    protected()
    monkeypatch.setattr(stop, "stop_reason", lambda: "fire")
    assert schedule_run(SUNDAY)["started"] == 0
    monkeypatch.undo()
    assert schedule_run(SUNDAY)["started"] == 1


def test_the_limit_of_the_repository_lets_only_so_many_run(protected: Callable[..., Instance]) -> None:
    Repository.objects.update(max_concurrent=2)
    for number in range(5):
        protected(f"i{number}")
    assert schedule_run(SUNDAY)["started"] == 2
    assert schedule_run(SUNDAY + timedelta(minutes=1))["started"] == 0
    assert "2 at once is the limit" in ScheduledRun.objects.filter(state="waiting").first().note  # type: ignore[union-attr]
    end_jobs()
    assert schedule_run(SUNDAY + timedelta(minutes=2))["started"] == 2


def test_protected_instances_are_looked_at_by_the_clock(
    protected: Callable[..., Instance], make_instance: Callable[..., Instance]
) -> None:
    """The oldest look first, none twice at once, and those in trouble sooner."""
    hours = [(SUNDAY - timedelta(hours=count)) for count in (7, 8, 1)]
    old, older, fresh = (protected(f"i{n}", probed_at=at) for n, at in enumerate(hours))
    troubled = protected("down", probed_at=SUNDAY - timedelta(minutes=20), probe_problem="It is down.")
    make_instance("unprotected")
    assert instances_probe_start(SUNDAY) == 3
    asked = list(Job.objects.filter(task="catalog.tasks.run_probe").order_by("created_at"))
    assert [job.subject for job in asked] == [older.subject, old.subject, troubled.subject]
    assert instances_probe_start(SUNDAY) == 0
    assert instances_probe_start(SUNDAY + timedelta(hours=6)) == 1
    assert Job.objects.filter(subject=fresh.subject).exists()


def test_what_a_person_started_counts_for_both_limits(
    protected: Callable[..., Instance], make_backup: Callable[..., Backup]
) -> None:
    Repository.objects.update(max_concurrent=2)
    Policy.objects.filter(name="critical").update(max_concurrent=1)
    first, second, third = (protected(name) for name in ("i1", "i2", "i3"))
    mine = verification_start(actor="system:test", backup=make_backup(first, YESTERDAY), level="decode")
    assert schedule_run(SUNDAY)["started"] == 1
    waiting = {run.instance: run.note for run in ScheduledRun.objects.filter(state="waiting", kind="full")}
    assert waiting == {
        first: "It waits: 1 at once for this instance is the limit of its policy.",
        third: "It waits: 2 at once is the limit of the repository local.",
    }
    assert Job.objects.get(task="catalog.tasks.run_backup").subject == second.subject
    Job.objects.filter(pk=mine.pk).update(state="succeeded", finished_at=SUNDAY)
    assert schedule_run(SUNDAY + timedelta(minutes=1))["started"] == 1
    assert ScheduledRun.objects.filter(instance=third, kind="full", state="waiting").exists()


def test_what_cannot_be_started_says_why_and_does_not_stop_the_others(
    protected: Callable[..., Instance],
) -> None:
    first, second = protected("a"), protected("b")
    at = SUNDAY + timedelta(hours=3)  # 04:00: restore tests; there is no backup row to test
    Policy.objects.filter(name="critical").update(full_cron="", differential_cron="", incremental_cron="")
    schedule_run(at)
    notes = ScheduledRun.objects.filter(instance__in=(first, second)).values_list("state", "note")
    assert {state for state, _ in notes} == {"refused"}
    assert all("no good backup" in note for _, note in notes)


def test_two_policies_that_ask_for_an_audit_at_one_instant_get_one(
    protected: Callable[..., Instance],
) -> None:
    protected("a", "critical")
    protected("b", "standard")
    schedule_run(datetime(2026, 7, 1, 6, 0, tzinfo=UTC))
    audit = ScheduledRun.objects.get(kind="audit")
    assert (audit.subject, audit.state) == ("installation", "started")
    assert Job.objects.filter(kind="run_retention_audit").count() == 1


def test_the_number_of_queries_of_a_quiet_minute_is_constant(protected: Callable[..., Instance]) -> None:
    def count(at: datetime) -> int:
        with CaptureQueriesContext(connection) as queries:
            schedule_run(at)
        return len(queries)

    Repository.objects.update(max_concurrent=64)
    protected("first")
    schedule_run(SUNDAY)
    end_jobs()
    schedule_run(SUNDAY + timedelta(minutes=1))
    few = count(SUNDAY + timedelta(minutes=2))
    for number in range(30):
        protected(f"i{number}", ("critical", "standard", "archival")[number % 3])
    schedule_run(SUNDAY + timedelta(minutes=3))
    end_jobs()
    schedule_run(SUNDAY + timedelta(minutes=4))
    assert count(SUNDAY + timedelta(minutes=5)) == few
