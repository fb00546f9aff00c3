"""The outbox: at least once, in order, with pauses, and given up in plain sight."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.alert_states import DeliveryState, Severity
from dataprotect.ops.models import Alert, AlertChannel, AlertDelivery
from dataprotect.ops.services import alert_deliver, alert_raise, alert_resolve
from dataprotect.ops.services.alert_channel import channel_test, channel_update
from dataprotect.ops.services.alert_deliver import MOST_ATTEMPTS, deliveries_send, delivery_again, pause_after
from tests.ops.alerts.conftest import AddChannel
from tests.ops.alerts.receiver import Receiver

pytestmark = pytest.mark.django_db


def trouble(subject: str = "instance:1", **more: str) -> Alert:
    given = {"rule": "rpo_breached", "severity": "critical", "title": "orders would lose a day."}
    return alert_raise(**{**given, "subject": subject, "link": "/instances/orders/", **more})


def all_due() -> None:
    AlertDelivery.objects.update(due_at=clock.now())


def test_beginning_and_end_reach_the_receiver(
    receiver: Receiver, add_channel: AddChannel, settings: object
) -> None:
    settings.SITE_URL = "https://backup.example.org"  # type: ignore[attr-defined]
    add_channel()
    trouble(detail="Its RPO target is 5 min.")
    trouble()
    assert deliveries_send() == {"sent": 1, "failed": 0, "dropped": 0}
    alert_resolve("rpo_breached:instance:1", reason="A backup was taken.")
    assert deliveries_send()["sent"] == 1
    assert deliveries_send()["sent"] == 0
    begin, end = receiver.messages
    assert (begin["title"], begin["type"]) == ("Critical: orders would lose a day.", "failure")
    assert "Its RPO target is 5 min." in begin["message"]
    assert "https://backup.example.org/instances/orders/" in begin["message"]
    assert (end["title"], end["type"]) == ("Resolved: orders would lose a day.", "success")
    assert "A backup was taken." in end["message"]


def test_a_channel_gets_what_it_asked_for(receiver: Receiver, add_channel: AddChannel) -> None:
    add_channel("pager", minimum_severity="critical")
    add_channel("keys", rules=["key_unreachable"])
    add_channel("off", enabled=False)
    trouble(rule="clock_skew", severity="warning")
    assert not AlertDelivery.objects.exists()
    trouble(rule="key_unreachable", severity="critical")
    told = AlertDelivery.objects.values_list("channel__name", flat=True)
    assert sorted(told) == ["keys", "pager"]


def test_a_refused_message_is_tried_again_after_a_pause(receiver: Receiver, add_channel: AddChannel) -> None:
    channel = add_channel()
    receiver.answers = [500, 503]
    trouble()
    assert deliveries_send()["failed"] == 1
    delivery = AlertDelivery.objects.get()
    assert delivery.state == DeliveryState.PENDING
    assert delivery.due_at - clock.now() > pause_after(1) - timedelta(seconds=20)
    assert delivery.problem == "The message was not sent: the service answered with the status 500."
    assert deliveries_send() == {"sent": 0, "failed": 0, "dropped": 0}, "not before it is due"
    all_due()
    assert deliveries_send()["failed"] == 1
    all_due()
    assert deliveries_send()["sent"] == 1
    channel.refresh_from_db()
    assert (channel.last_problem, bool(channel.last_sent_at)) == ("", True)
    assert AlertDelivery.objects.get().attempts == 3
    assert len(receiver.messages) == 1


def test_a_place_that_is_down_costs_one_try_per_round_and_no_order(
    receiver: Receiver, add_channel: AddChannel
) -> None:
    port = receiver.port
    receiver.stop()
    add_channel(url=f"json://127.0.0.1:{port}/x")
    for number in range(3):
        trouble(f"instance:{number}")
    assert deliveries_send() == {"sent": 0, "failed": 3, "dropped": 0}
    assert "could not be reached" in AlertDelivery.objects.first().problem


def test_the_end_never_overtakes_the_beginning(receiver: Receiver, add_channel: AddChannel) -> None:
    add_channel()
    receiver.answers = [500]
    trouble()
    deliveries_send()
    alert_resolve("rpo_breached:instance:1")
    assert deliveries_send()["sent"] == 0, "its beginning still waits"
    all_due()
    deliveries_send()
    deliveries_send()
    assert [title.partition(":")[0] for title in receiver.titles] == ["Critical", "Resolved"]


def test_after_many_tries_it_is_given_up_in_plain_sight(receiver: Receiver, add_channel: AddChannel) -> None:
    add_channel()
    other = Receiver()
    add_channel("second", url=other.url)
    receiver.answers = [500]
    trouble()
    failing = AlertDelivery.objects.filter(channel__name="on-call")
    failing.update(attempts=MOST_ATTEMPTS - 1)
    deliveries_send()
    assert failing.get().state == DeliveryState.DEAD
    assert deliveries_send()["sent"] == 1
    other.stop()
    assert other.titles[-1] == "Warning: The channel on-call takes no messages."
    assert delivery_again(delivery=failing.get())
    assert not delivery_again(delivery=failing.get()), "it waits already"
    deliveries_send()
    assert not Alert.objects.exclude(state="resolved").filter(rule="channel_failing").exists()


def test_a_sender_that_died_is_replaced_when_its_lease_ends(
    receiver: Receiver, add_channel: AddChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_channel()
    trouble()

    def die(step: str) -> None:
        if step == "alert.sent_before_row":
            raise SystemExit

    monkeypatch.setattr(steps, "reached", die)
    monkeypatch.setattr(alert_deliver, "reached", die)
    with pytest.raises(SystemExit):
        deliveries_send()
    monkeypatch.setattr(alert_deliver, "reached", lambda step: None)
    assert deliveries_send()["sent"] == 0, "the lease still stands"
    AlertDelivery.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert deliveries_send()["sent"] == 1
    assert len(receiver.messages) == 2, "at least once"


def test_a_message_is_sent_by_one_of_two_senders(receiver: Receiver, add_channel: AddChannel) -> None:
    """While one sender waits for the answer, another looks: it finds nothing to do."""
    add_channel()
    trouble()
    seen: list[int] = []
    due = AlertDelivery.objects.filter(state=DeliveryState.PENDING)
    key = due.get().pk
    assert alert_deliver._claim(key) is not None
    seen.append(deliveries_send()["sent"])
    assert alert_deliver._claim(key) is None
    assert seen == [0]


def test_a_storm_is_one_message(receiver: Receiver, add_channel: AddChannel) -> None:
    add_channel()
    for number in range(40):
        trouble(f"instance:{number}", title=f"db{number} would lose a day.")
    assert deliveries_send()["sent"] == 40
    (only,) = receiver.messages
    assert only["title"] == "40 alerts"
    assert "db0 would lose a day." in only["message"] and "db39 would" in only["message"]


def test_what_waits_for_a_channel_that_was_switched_off_is_dropped(
    receiver: Receiver, add_channel: AddChannel
) -> None:
    channel = add_channel()
    trouble()
    channel_update(
        actor="system:test",
        channel=channel,
        name="on-call",
        minimum_severity="warning",
        rules=[],
        enabled=False,
    )
    assert deliveries_send() == {"sent": 0, "failed": 0, "dropped": 1}
    assert not receiver.messages


def test_a_test_message_is_sent_while_the_person_waits(receiver: Receiver, add_channel: AddChannel) -> None:
    channel = add_channel(enabled=False)
    assert channel_test(actor="system:test", channel=channel).state == DeliveryState.SENT
    assert receiver.titles == ["Test message to on-call"]
    receiver.answers = [404]
    with pytest.raises(ForeseenError) as refused:
        channel_test(actor="system:test", channel=channel)
    assert refused.value.code == "alert.not_sent"
    assert "404" in refused.value.message
    channel.refresh_from_db()
    assert "404" in channel.last_problem
    assert AlertDelivery.objects.filter(state=DeliveryState.DEAD).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_woken_once_the_change_is_committed(
    add_channel: AddChannel, nobody_is_woken: list[str]
) -> None:
    add_channel()
    with transaction.atomic():
        trouble()
        assert not nobody_is_woken
    assert nobody_is_woken == ["dataprotect.ops.tasks.deliver_alerts"]


def test_pauses_double_up_to_an_hour() -> None:
    assert [pause_after(attempt).total_seconds() for attempt in (1, 2, 3, 8, 9, 24)] == [
        30, 60, 120, 3600, 3600, 3600,
    ]  # fmt: skip


def test_severity_of_a_list_is_the_worst() -> None:
    parcel = [
        AlertDelivery(channel=AlertChannel(name="c"), severity=severity, title=severity)
        for severity in (Severity.INFO, Severity.CRITICAL, Severity.WARNING)
    ]
    assert alert_deliver._list_of(parcel).severity == Severity.CRITICAL
