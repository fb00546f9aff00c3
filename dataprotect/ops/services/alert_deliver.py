"""Emptying the outbox: every message reaches its channel at least once, or is shown as given up.

A sender claims a message by one conditional UPDATE with a lease; one that dies lets it go when the lease
ends, so a message may come twice and never not at all. The messages of one alert go to one channel in order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.steps import reached
from dataprotect.ops import channels, secrets
from dataprotect.ops.alert_states import RANK, DeliveryKind, DeliveryState, Severity
from dataprotect.ops.models import AlertChannel, AlertDelivery
from dataprotect.ops.services.alert_message import channel_subject
from dataprotect.ops.services.alert_raise import alert_raise
from dataprotect.ops.services.alert_resolve import alert_resolve
from dataprotect.ops.services.audit import audit_record

URL_FIELD = "url_sealed"
LEASE = timedelta(minutes=3)
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_ATTEMPTS = 24
MOST_SINGLE = 10
_AT_ONCE = 200
log = logging.getLogger(__name__)


def deliveries_send() -> dict[str, int]:
    """Send what is due. `{"sent", "failed", "dropped"}` in messages: one that failed is due again later."""
    counts = {"sent": 0, "failed": 0, "dropped": 0}
    now = clock.now()
    for channel_id in list(_due(now).order_by("channel_id").values_list("channel_id", flat=True).distinct()):
        keys = list(_due(now).filter(channel_id=channel_id).values_list("pk", flat=True)[:_AT_ONCE])
        claimed = [delivery for key in keys if (delivery := _claim(key)) is not None]
        for outcome in _send_to_channel(claimed):
            counts[outcome] += 1
    return counts


def delivery_again(*, delivery: AlertDelivery) -> bool:
    """Give up no more: a person wants a dead message tried again. False when it is not dead."""
    dead = AlertDelivery.objects.filter(pk=delivery.pk, state=DeliveryState.DEAD)
    return bool(dead.update(state=DeliveryState.PENDING, attempts=0, due_at=clock.now(), problem=""))


def pause_after(attempts: int) -> timedelta:
    """30 s, 1, 2, 4 … min, an hour at most: 24 attempts take the better part of a day."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts - 1, 10)
    return min(LONGEST_PAUSE, doubled)


def _due(now: datetime) -> QuerySet[AlertDelivery]:
    waiting = Q(state=DeliveryState.PENDING, due_at__lte=now)
    let_go = Q(state=DeliveryState.SENDING, lease_until__lt=now)
    earlier = AlertDelivery.objects.filter(
        alert=OuterRef("alert"), channel=OuterRef("channel"), pk__lt=OuterRef("pk"),
        state__in=(DeliveryState.PENDING, DeliveryState.SENDING),
    )  # fmt: skip
    return AlertDelivery.objects.filter(waiting | let_go, ~Exists(earlier)).order_by("due_at", "pk")


def _claim(key: int) -> AlertDelivery | None:
    """One conditional UPDATE; `attempts` is the fencing number of whoever wins."""
    now = clock.now()
    free = Q(state=DeliveryState.PENDING, due_at__lte=now) | Q(
        state=DeliveryState.SENDING, lease_until__lt=now
    )
    claimed = AlertDelivery.objects.filter(free, pk=key).update(
        state=DeliveryState.SENDING, attempts=F("attempts") + 1, lease_until=now + LEASE
    )
    return AlertDelivery.objects.select_related("channel").get(pk=key) if claimed else None


def _send_to_channel(claimed: list[AlertDelivery]) -> Iterator[str]:
    """`sent`, `failed` or `dropped` for each. After a failure the rest of this round waits as well: a place
    that is down must not hold up a worker once per message.
    """
    parcels = [[one] for one in claimed] if len(claimed) <= MOST_SINGLE else [claimed]
    trouble: ForeseenError | None = None
    for parcel in parcels:
        if not parcel[0].channel.enabled:
            outcome = "dropped"
            for delivery in parcel:
                _end(delivery, DeliveryState.DROPPED)
        else:
            trouble = trouble or _trouble_sending(parcel)
            outcome = "failed" if trouble else "sent"
            for delivery in parcel:
                _failed(delivery, trouble) if trouble else _sent(delivery)
        yield from [outcome] * len(parcel)


def _trouble_sending(parcel: list[AlertDelivery]) -> ForeseenError | None:
    """One message for one delivery, or a list for many: nobody reads two hundred messages."""
    try:
        message_hand_over(parcel[0] if len(parcel) == 1 else _list_of(parcel))
    except ForeseenError as error:
        return error
    reached("alert.sent_before_row")
    return None


def _list_of(parcel: list[AlertDelivery]) -> AlertDelivery:
    """An unsaved message that names them all; as severe as the worst."""
    worst = max((Severity(one.severity) for one in parcel), key=RANK.__getitem__)
    return AlertDelivery(
        channel=parcel[0].channel,
        kind=DeliveryKind.RAISED,
        severity=worst,
        title=f"{len(parcel)} alerts",
        body="\n".join(one.title for one in parcel),
    )


def message_hand_over(delivery: AlertDelivery) -> None:
    """Through Apprise, now. Raises ForeseenError, whose words never hold the address."""
    url = secrets.open_field(delivery.channel, URL_FIELD)
    if url is None:
        raise ForeseenError(
            "alert.no_address", f"The channel {delivery.channel.name} has no address.", "Enter its address."
        )
    channels.send(
        url,
        title=delivery.title,
        body=delivery.body,
        severity=Severity(delivery.severity),
        resolved=delivery.kind == DeliveryKind.RESOLVED,
    )


@transaction.atomic
def _sent(delivery: AlertDelivery) -> None:
    now = clock.now()
    _end(delivery, DeliveryState.SENT, sent_at=now, problem="")
    AlertChannel.objects.filter(pk=delivery.channel_id).update(last_sent_at=now, last_problem="")
    alert_resolve(f"channel_failing:{channel_subject(delivery.channel)}", reason="It takes messages again.")


@transaction.atomic
def _failed(delivery: AlertDelivery, error: ForeseenError) -> None:
    AlertChannel.objects.filter(pk=delivery.channel_id).update(last_problem=error.message[:500])
    if delivery.attempts < MOST_ATTEMPTS:
        due = clock.now() + pause_after(delivery.attempts)
        _end(delivery, DeliveryState.PENDING, due_at=due, problem=error.message[:500])
        return
    _end(delivery, DeliveryState.DEAD, problem=error.message[:500])
    channel = delivery.channel
    alert_raise(
        rule="channel_failing",
        severity=Severity.WARNING,
        subject=channel_subject(channel),
        title=f"The channel {channel.name} takes no messages.",
        detail=f"{error.message} {error.action}",
        link="/alerts/",
    )
    data = {"channel": channel.name, "attempts": delivery.attempts, "code": error.code}
    audit_record(actor="system", verb="alert.delivery_given_up", subject=delivery, data=data)


def _end(delivery: AlertDelivery, state: DeliveryState, **columns: object) -> None:
    """Only whoever still holds the claim writes."""
    mine = AlertDelivery.objects.filter(
        pk=delivery.pk, state=DeliveryState.SENDING, attempts=delivery.attempts
    )
    if not mine.update(state=state, lease_until=None, **columns):
        log.warning("message %s was taken over by another sender", delivery.pk)
