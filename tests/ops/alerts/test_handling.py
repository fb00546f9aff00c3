"""What people do with alerts, and what happens by the clock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.alert_states import ALERT_TRANSITIONS, AlertState, DeliveryKind, before
from dataprotect.ops.models import Alert, AlertDelivery, AuditEvent
from dataprotect.ops.services import alert_raise
from dataprotect.ops.services.alert_handle import alert_acknowledge, alert_assign, alert_snooze
from dataprotect.ops.services.alert_resolve import alert_close
from dataprotect.ops.services.alert_wake import alerts_wake
from tests.ops.alerts.conftest import AddChannel

pytestmark = pytest.mark.django_db


@pytest.fixture
def alert() -> Alert:
    return alert_raise(
        rule="rpo_breached", severity="critical", title="orders would lose a day.", subject="instance:1"
    )


@pytest.fixture
def dba() -> User:
    user = User.objects.create_user("dana")
    user.user_permissions.add(Permission.objects.get(codename="handle_alert"))
    return User.objects.get(pk=user.pk)


def kinds() -> list[str]:
    return list(AlertDelivery.objects.order_by("pk").values_list("kind", flat=True))


def an_hour_later(alert: Alert) -> None:
    Alert.objects.filter(pk=alert.pk).update(notified_at=clock.now() - timedelta(minutes=61))


def test_who_acknowledges_owns_it_and_is_left_in_peace(
    add_channel: AddChannel, alert: Alert, dba: User
) -> None:
    alert_acknowledge(actor=dba, alert=alert, note=" looking  into it ")
    assert (alert.state, alert.owner, alert.acknowledged_by) == (AlertState.ACKNOWLEDGED, dba, "dana")
    assert alert.acknowledged_note == "looking into it"
    add_channel()
    an_hour_later(alert)
    assert alerts_wake() == {"woken": 0, "repeated": 0}


def test_a_critical_one_nobody_acknowledged_is_told_again(add_channel: AddChannel, alert: Alert) -> None:
    add_channel()
    assert alerts_wake()["repeated"] == 0, "it has just been told"
    an_hour_later(alert)
    assert alerts_wake()["repeated"] == 1
    assert alerts_wake()["repeated"] == 0
    assert kinds() == [DeliveryKind.REPEATED]
    assert "Nobody has acknowledged it yet." in AlertDelivery.objects.get().body


def test_repeats_can_be_turned_off(alert: Alert, settings: object) -> None:
    settings.ALERT_REPEAT_MINUTES = 0  # type: ignore[attr-defined]
    an_hour_later(alert)
    assert alerts_wake()["repeated"] == 0


def test_a_snoozed_one_is_silent_until_its_instant(add_channel: AddChannel, alert: Alert, dba: User) -> None:
    add_channel()
    alert_snooze(actor=dba, alert=alert, until=clock.now() + timedelta(hours=2))
    an_hour_later(alert)
    assert alerts_wake() == {"woken": 0, "repeated": 0}
    Alert.objects.filter(pk=alert.pk).update(snoozed_until=clock.now())
    assert alerts_wake() == {"woken": 1, "repeated": 0}
    alert.refresh_from_db()
    assert (alert.state, alert.snoozed_until) == (AlertState.OPEN, None)
    assert kinds() == [DeliveryKind.REPEATED]


def test_a_snoozed_one_that_gets_worse_wakes_at_once(add_channel: AddChannel, dba: User) -> None:
    add_channel()
    alert = alert_raise(rule="slot_lag", severity="warning", title="Lag.", subject="instance:1")
    alert_snooze(actor=dba, alert=alert, until=clock.now() + timedelta(hours=2))
    alert = alert_raise(rule="slot_lag", severity="critical", title="Lag!", subject="instance:1")
    assert alert.state == AlertState.OPEN
    assert kinds() == [DeliveryKind.RAISED, DeliveryKind.WORSE]


@pytest.mark.parametrize("length", [timedelta(seconds=-1), timedelta(days=31)])
def test_snoozing_into_the_past_or_for_ever_is_refused(alert: Alert, dba: User, length: timedelta) -> None:
    with pytest.raises(ForeseenError) as refused:
        alert_snooze(actor=dba, alert=alert, until=clock.now() + length)
    assert refused.value.code == "input.until"


def test_a_person_closes_it_with_a_reason_once(alert: Alert, dba: User) -> None:
    with pytest.raises(ForeseenError, match="reason"):
        alert_close(actor=dba, alert=alert, reason="  ")
    alert_close(actor=dba, alert=alert, reason="The disk was replaced.")
    assert (alert.resolved_by, alert.resolved_reason) == ("dana", "The disk was replaced.")
    for again in (
        lambda: alert_close(actor=dba, alert=alert, reason="Twice."),
        lambda: alert_acknowledge(actor=dba, alert=alert),
        lambda: alert_snooze(actor=dba, alert=alert, until=clock.now() + timedelta(hours=1)),
        lambda: alert_assign(actor=dba, alert=alert, owner=None),
    ):
        with pytest.raises(ForeseenError) as refused:
            again()
        assert refused.value.code == "alert.closed"


def test_without_the_right_nothing_happens(alert: Alert) -> None:
    stranger = User.objects.create_user("sam")
    for attempt in (
        lambda: alert_close(actor=stranger, alert=alert, reason="No."),
        lambda: alert_acknowledge(actor=stranger, alert=alert),
        lambda: alert_snooze(actor=stranger, alert=alert, until=clock.now() + timedelta(hours=1)),
        lambda: alert_assign(actor=stranger, alert=alert, owner=stranger),
    ):
        with pytest.raises(ForeseenError) as refused:
            attempt()
        assert refused.value.code == "access.denied"
    alert.refresh_from_db()
    assert alert.state == AlertState.OPEN


def test_every_change_is_an_event_by_the_person(alert: Alert, dba: User) -> None:
    alert_assign(actor=dba, alert=alert, owner=dba)
    alert_snooze(actor=dba, alert=alert, until=clock.now() + timedelta(hours=1), note="night")
    alert_acknowledge(actor=dba, alert=alert)
    alert_close(actor=dba, alert=alert, reason="Done.")
    events = AuditEvent.objects.filter(subject_type="alert", subject_id=str(alert.pk)).order_by("sequence")
    assert [(event.verb, event.actor) for event in events] == [
        ("alert.raised", "system"),
        ("alert.assigned", "dana"),
        ("alert.snoozed", "dana"),
        ("alert.acknowledged", "dana"),
        ("alert.resolved", "dana"),
    ]


@given(old=st.sampled_from(AlertState), new=st.sampled_from(AlertState))
def test_the_table_and_its_reverse_say_the_same(old: AlertState, new: AlertState) -> None:
    assert (old in before(new)) == (new in ALERT_TRANSITIONS[old])
    assert not ALERT_TRANSITIONS[AlertState.RESOLVED]
