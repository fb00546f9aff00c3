"""One alert per trouble, however often and by however many it is found."""

from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from dataprotect.ops.alert_states import AlertState, Severity
from dataprotect.ops.models import Alert, AuditEvent
from dataprotect.ops.services import alert_raise, alert_resolve

pytestmark = pytest.mark.django_db


def raised(**changes: str) -> Alert:
    given = {
        "rule": "backup_failed",
        "severity": "warning",
        "title": "A backup failed.",
        "subject": "instance:1",
    }
    return alert_raise(**{**given, **changes})


def verbs(alert: Alert) -> list[str]:
    events = AuditEvent.objects.filter(subject_type="alert", subject_id=str(alert.pk)).order_by("sequence")
    return [event.verb for event in events]


def test_the_same_trouble_counts_up_instead_of_multiplying() -> None:
    first, second = raised(), raised(title="A backup failed again.")
    assert first.pk == second.pk
    assert (second.count, second.title) == (2, "A backup failed again.")
    assert second.last_seen_at > first.last_seen_at
    assert second.first_seen_at == first.first_seen_at
    assert verbs(second) == ["alert.raised"]


def test_another_subject_and_another_rule_are_other_troubles() -> None:
    assert len({raised().pk, raised(subject="instance:2").pk, raised(rule="rpo_breached").pk}) == 3


def test_after_its_end_the_same_trouble_is_a_new_alert() -> None:
    first = raised()
    ended = alert_resolve("backup_failed:instance:1")
    assert ended is not None and ended.pk == first.pk
    assert (ended.state, ended.resolved_by) == (AlertState.RESOLVED, "system")
    assert alert_resolve("backup_failed:instance:1") is None
    assert raised().pk != first.pk
    assert verbs(first) == ["alert.raised", "alert.resolved"]


def test_a_higher_severity_is_an_event_and_a_lower_one_too() -> None:
    raised()
    assert raised(severity="critical").severity == Severity.CRITICAL
    assert verbs(raised(severity="info")) == ["alert.raised", "alert.worsened", "alert.eased"]


@pytest.mark.django_db(transaction=True)
def test_two_who_raise_at_once_make_one_alert() -> None:
    together, failures = threading.Barrier(4), []

    def find() -> None:
        try:
            together.wait(10)
            raised()
        except Exception as error:  # noqa: BLE001  shown below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=find) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert Alert.objects.get().count == 4


def test_the_database_itself_refuses_a_second_one() -> None:
    alert = raised()
    alert.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        alert.save(force_insert=True)


def test_it_stands_or_falls_with_the_callers_transaction() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        raised()
        raise RuntimeError
    assert not Alert.objects.exists()
    assert not AuditEvent.objects.filter(verb="alert.raised").exists()
