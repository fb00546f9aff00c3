"""The watched rules against real rows: raised when it is so, ended when it is over, told on the overview."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import selectors
from catalog.models import (
    Backup,
    Instance,
    LogCollector,
    LogGap,
    Policy,
    Repository,
    RepositoryUsage,
    ScheduledRun,
)
from catalog.rules.catalogue import WATCHED
from catalog.services import alerts_evaluate as module
from catalog.services.alerts_evaluate import alerts_evaluate
from catalog.services.backup_judge import backup_judge
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.alert_states import UNRESOLVED
from dataprotect.ops.models import Alert, Job, Worker
from dataprotect.ops.services import alert_raise, alert_reconcile
from tests.catalog.test_query_counts import fill

pytestmark = pytest.mark.django_db
Make = Callable[..., Instance]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def quiet_house(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker sweeps, the keys are there."""
    Worker.objects.create(name="w:1", host="w", cluster="c", pid=1, version="0", swept_at=clock.now())
    monkeypatch.setattr(module, "keyring_open", lambda: None)


def open_alerts() -> dict[str, str]:
    """Severity by rule of what is not over."""
    rows = Alert.objects.filter(state__in=UNRESOLVED).order_by("pk")
    return {alert.rule: alert.severity for alert in rows}


@pytest.fixture
def orders(repository: Repository) -> Instance:
    """Well protected: a good backup of now, restore-tested."""
    fill(repository, 0, 1, 1)
    return Instance.objects.select_related("tier").get()


def test_nothing_is_wrong_and_nobody_is_called(orders: Instance) -> None:
    assert alerts_evaluate() == {"raised": 0, "seen_again": 0, "resolved": 0}


def change(**columns: object) -> None:
    Instance.objects.update(**columns)


def test_an_instances_troubles_begin_count_up_and_end(orders: Instance) -> None:
    now = clock.now()
    change(last_good_at=now - 400 * HOUR, clock_skew_seconds=9.0, probe_problem="Connection refused")
    assert alerts_evaluate() == {"raised": 3, "seen_again": 0, "resolved": 0}
    assert open_alerts() == {"rpo_breached": "critical", "unreachable": "warning", "clock_skew": "warning"}
    assert alerts_evaluate() == {"raised": 0, "seen_again": 3, "resolved": 0}
    assert set(Alert.objects.values_list("count", flat=True)) == {2}
    change(clock_skew_seconds=90.0)
    alerts_evaluate()
    assert open_alerts()["clock_skew"] == "critical"
    change(last_good_at=now, clock_skew_seconds=0.1, probe_problem="")
    assert alerts_evaluate() == {"raised": 0, "seen_again": 0, "resolved": 3}
    assert open_alerts() == {}


def test_a_new_instance_gets_an_hour(make_instance: Make) -> None:
    made = make_instance("new")
    assert alerts_evaluate()["raised"] == 0
    Instance.objects.filter(pk=made.pk).update(created_at=clock.now() - 2 * HOUR)
    alerts_evaluate()
    assert open_alerts() == {"never_backed_up": "critical"}


def test_a_failed_backup_is_over_with_the_next_good_one(orders: Instance) -> None:
    change(last_good_at=clock.now() - timedelta(minutes=1))
    Job.objects.create(
        task="catalog.tasks.run_backup", kind="run_backup", title="b", actor="a", subject=orders.subject,
        state="failed", error_code="x", error_message="The disk is full.",
    )  # fmt: skip
    alerts_evaluate()
    assert open_alerts() == {"backup_failed": "warning"}
    assert "The disk is full." in Alert.objects.get().title
    change(last_good_at=clock.now())
    assert alerts_evaluate()["resolved"] == 1


def test_a_failed_test_of_an_instant_stays_until_one_passes(orders: Instance) -> None:
    """Whatever a restore test says meanwhile: the facts of `orders` hold one that passed."""

    def tested(state: str, passed: bool | None) -> None:
        Job.objects.create(
            task="catalog.tasks.run_pitr_test", kind="run_pitr_test", title="t", actor="a", state=state,
            subject=orders.subject, result=None if passed is None else {"passed": passed},
        )  # fmt: skip
        alerts_evaluate()

    tested("succeeded", False)
    assert open_alerts() == {"pitr_test_failed": "critical"}
    tested("failed", None)
    assert open_alerts() == {"pitr_test_failed": "critical"} and Alert.objects.count() == 1
    tested("succeeded", True)
    assert open_alerts() == {}


def test_damage_gaps_collectors_and_slots(orders: Instance) -> None:
    now = clock.now()
    Backup.objects.update(state="damaged")
    gap = LogGap.objects.create(
        instance=orders, timeline=1, from_position="0/1", to_position="0/2", code="logs.wal_removed",
        reason="The server removed it.", noticed_at=now,
    )  # fmt: skip
    LogCollector.objects.create(
        instance=orders, wanted=True, state="streaming", lag_seconds=10**7, failures=5, last_error="No.",
        slot_status="lost", slot_name="s",
    )  # fmt: skip
    alerts_evaluate()
    assert set(open_alerts()) == {
        "backup_damaged",
        "log_gap",
        "log_late",
        "collector_failing",
        "slot_retained",
    }
    Backup.objects.update(state="checked")
    LogGap.objects.filter(pk=gap.pk).update(acknowledged_at=now, acknowledged_by="dana")
    LogCollector.objects.update(lag_seconds=1, failures=0, slot_status="reserved")
    assert alerts_evaluate()["resolved"] == 5


def test_runs_that_were_due(orders: Instance) -> None:
    now, policy = clock.now(), Policy.objects.create(name="p", late_after_minutes=30)
    run = ScheduledRun.objects.create(
        subject=orders.subject, instance=orders, policy=policy, kind="full", due_at=now - HOUR, missed=2,
        noticed_at=now,
    )  # fmt: skip
    alerts_evaluate()
    assert open_alerts() == {"backup_missed": "warning", "backup_overdue": "warning"}
    ScheduledRun.objects.filter(pk=run.pk).update(state="succeeded")
    assert alerts_evaluate()["resolved"] == 2


def test_a_retention_audit_that_failed_is_told_until_one_succeeds(orders: Instance) -> None:
    now = clock.now()
    run = ScheduledRun.objects.create(
        subject="installation", kind="audit", due_at=now - 5 * HOUR, state="failed", note="The disk is full.",
        noticed_at=now,
    )  # fmt: skip
    alerts_evaluate()
    assert open_alerts() == {}
    ScheduledRun.objects.filter(pk=run.pk).update(due_at=now - 7 * HOUR)
    alerts_evaluate()
    assert open_alerts() == {"retention_audit_late": "warning"}
    assert "The disk is full." in Alert.objects.get().detail
    ScheduledRun.objects.create(
        subject="installation", kind="audit", due_at=now - HOUR, state="succeeded", noticed_at=now
    )
    alerts_evaluate()
    assert open_alerts() == {}


def test_places_and_the_house(orders: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()

    def gone() -> None:
        raise ForeseenError("key.file_missing", "The key file is gone.", "Bring it back.")

    monkeypatch.setattr(module, "keyring_open", gone)
    Repository.objects.update(state="unreachable", problem="Not mounted.", free_bytes=1, stored_bytes=1000)
    Worker.objects.update(swept_at=now - HOUR)
    Backup.objects.update(stopped_at=now - 40 * 24 * HOUR)
    Job.objects.create(task="t", kind="t", title="t", actor="a", created_at=now - HOUR)
    Path(product.EMERGENCY_STOP_FILE).write_text("fire")
    try:
        alerts_evaluate()
    finally:
        Path(product.EMERGENCY_STOP_FILE).unlink()
    assert set(open_alerts()) == {
        "key_unreachable", "repository_unreachable", "repository_filling", "scrub_late", "worker_missing",
        "queue_stuck", "stop_active",
    }  # fmt: skip
    monkeypatch.setattr(module, "keyring_open", lambda: None)
    Repository.objects.update(state="ready", problem="", free_bytes=10**9)
    Worker.objects.update(swept_at=clock.now())
    Backup.objects.update(stopped_at=clock.now())
    Job.objects.update(state="succeeded")
    assert alerts_evaluate()["resolved"] == 7


def test_a_filling_repository_by_its_history(orders: Instance, repository: Repository) -> None:
    now, gib = clock.now(), 1 << 30
    Repository.objects.update(free_bytes=200 * gib, stored_bytes=100 * gib)
    for day in range(10):
        RepositoryUsage.objects.create(
            repository=repository,
            at=now - timedelta(days=day),
            stored_bytes=0,
            free_bytes=(200 + 20 * day) * gib,
        )
    alerts_evaluate()
    assert open_alerts() == {"repository_filling": "warning"}
    assert "full in about 10.0 days" in Alert.objects.get().detail


def judged(orders: Instance, number: int, **columns: Any) -> None:
    now = clock.now()
    backup_judge(
        Backup.objects.create(
            backup_id=f"j-{number}", instance=orders, repository=orders.repository, state="checked",
            state_changed_at=now, started_at=now, stopped_at=now, seconds=1, start_position="0/1",
            stop_position="0/2", **columns,
        )
    )  # fmt: skip


def test_a_backup_out_of_line_or_with_bad_pages_is_told_at_once_and_taken_back(orders: Instance) -> None:
    for number in range(5):
        judged(orders, number, bytes_read=10 << 30)
    assert open_alerts() == {}
    judged(orders, 5, bytes_read=1 << 30, bad_pages=["base/1/2 block 7"])
    assert open_alerts() == {"size_anomaly": "warning", "bad_pages": "critical"}
    assert "base/1/2 block 7" in Alert.objects.get(rule="bad_pages").detail
    assert alerts_evaluate()["resolved"] == 0, "the watch leaves alone what it does not watch"
    judged(orders, 6, bytes_read=11 << 30)
    assert open_alerts() == {}


def test_what_was_raised_while_the_facts_were_read_is_not_ended(orders: Instance) -> None:
    looked_at = clock.now()
    alert_raise(rule="backup_damaged", severity="critical", title="b.", subject="backup:b")
    done = alert_reconcile.alerts_reconcile(rules=WATCHED, findings=[], looked_at=looked_at)
    assert done.resolved == 0
    assert alerts_evaluate()["resolved"] == 1


def test_the_queries_do_not_grow_with_what_is_protected(repository: Repository) -> None:
    fill(repository, 0, 2, 1)
    Instance.objects.update(probe_problem="Connection refused")
    alerts_evaluate()
    with CaptureQueriesContext(connection) as few:
        alerts_evaluate()
    fill(repository, 2, 150, 1)
    Instance.objects.update(probe_problem="Connection refused")
    alerts_evaluate()
    with CaptureQueriesContext(connection) as many:
        assert alerts_evaluate() == {"raised": 0, "seen_again": 152, "resolved": 0}
    assert len(few) == len(many) <= 25


def test_the_overview_shows_what_is_not_looked_at_there_from_the_alerts(
    orders: Instance, person: Callable[..., User]
) -> None:
    alert = alert_raise(
        rule="log_gap", severity="critical", title="Log of x is missing.", subject=orders.subject
    )
    auditor, stranger = person("ann", "auditor"), person("sam")
    (item,) = selectors.overview(user=auditor).attention
    assert (item.kind, item.severity, item.alert) == ("log_gap", "danger", alert)
    assert selectors.overview(user=stranger).attention == []


def test_page_and_alert_say_the_same(orders: Instance, person: Callable[..., User]) -> None:
    change(last_good_at=clock.now() - 400 * HOUR, probe_problem="Connection refused")
    alerts_evaluate()
    shown = {
        (item.kind, item.sentence) for item in selectors.overview(user=person("ann", "auditor")).attention
    }
    assert shown == {(alert.rule, alert.title) for alert in Alert.objects.all()}
