"""Registering the places alerts are sent to. The address goes in and never comes out."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.ops import channels, secrets
from dataprotect.ops.alert_states import DeliveryKind, DeliveryState, Severity
from dataprotect.ops.models import AlertChannel, AlertDelivery
from dataprotect.ops.services.alert_deliver import URL_FIELD, message_hand_over
from dataprotect.ops.services.alert_message import body_of_test
from dataprotect.ops.services.audit import Actor, actor_name, audit_record


@transaction.atomic
def channel_add(
    *,
    actor: Actor,
    name: str,
    url: Secret,
    minimum_severity: str = Severity.WARNING,
    rules: Iterable[str] = (),
    enabled: bool = True,
) -> AlertChannel:
    """Raises `access.denied`, and InvalidInput naming the field (`url` never with the address in it)."""
    _require(actor, "add")
    channel = AlertChannel(
        name=name.strip(),
        service=channels.service_of(url),
        minimum_severity=minimum_severity,
        rules=sorted(set(rules)),
        enabled=enabled,
        created_at=clock.now(),
    )
    _save(channel)
    _seal(channel, url)
    audit_record(actor=actor, verb="alert_channel.added", subject=channel, data=_facts(channel))
    return channel


@transaction.atomic
def channel_update(
    *,
    actor: Actor,
    channel: AlertChannel,
    name: str,
    minimum_severity: str,
    rules: Iterable[str],
    enabled: bool,
    url: Secret | None = None,
) -> AlertChannel:
    """`url` None keeps the address there is. Raises like `channel_add`."""
    _require(actor, "change")
    channel.name, channel.minimum_severity = name.strip(), minimum_severity
    channel.rules, channel.enabled = sorted(set(rules)), enabled
    if url is not None:
        channel.service = channels.service_of(url)
        channel.last_problem = ""
    _save(channel)
    if url is not None:
        _seal(channel, url)
    data = {**_facts(channel), "address_changed": url is not None}
    audit_record(actor=actor, verb="alert_channel.changed", subject=channel, data=data)
    return channel


@transaction.atomic
def channel_remove(*, actor: Actor, channel: AlertChannel) -> None:
    """With its messages; what was sent stays in the audit chain as changes of the alerts."""
    _require(actor, "delete")
    audit_record(actor=actor, verb="alert_channel.removed", subject=channel, data=_facts(channel))
    channel.delete()


def channel_test(*, actor: Actor, channel: AlertChannel) -> AlertDelivery:
    """Send a test message now, while the person waits, and keep the row as proof; one try only.

    Raises `access.denied`, `alert.not_sent`.
    """
    _require(actor, "change")
    now = clock.now()
    delivery = AlertDelivery.objects.create(
        channel=channel, kind=DeliveryKind.TEST, severity=Severity.INFO, attempts=1,
        title=f"Test message to {channel.name}", body=body_of_test(actor_name(actor)),
        state=DeliveryState.SENDING, due_at=now, created_at=now,
    )  # fmt: skip
    try:
        message_hand_over(delivery)
    except ForeseenError as error:
        _tested(actor, delivery, DeliveryState.DEAD, error.message)
        raise
    _tested(actor, delivery, DeliveryState.SENT, "")
    return delivery


@transaction.atomic
def _tested(actor: Actor, delivery: AlertDelivery, state: DeliveryState, problem: str) -> None:
    delivery.state, delivery.problem = state, problem[:500]
    delivery.sent_at = clock.now() if state == DeliveryState.SENT else None
    delivery.save()
    channel = AlertChannel.objects.filter(pk=delivery.channel_id)
    channel.update(last_problem=delivery.problem)
    if state == DeliveryState.SENT:
        channel.update(last_sent_at=delivery.sent_at)
    data = {"channel": delivery.channel.name, "sent": state == DeliveryState.SENT}
    audit_record(actor=actor, verb="alert_channel.tested", subject=delivery.channel, data=data)


def _seal(channel: AlertChannel, url: Secret) -> None:
    channel.url_sealed = secrets.seal_field(channel, URL_FIELD, Secret(url.reveal().strip()))
    channel.save(update_fields=[URL_FIELD])


def _save(channel: AlertChannel) -> None:
    try:
        channel.full_clean()
    except ValidationError as error:
        field, problems = next(iter(error.error_dict.items()))
        words = field.replace("_", " ").strip().capitalize()
        raise InvalidInput(field, f"{words}: {problems[0].messages[0]}") from None
    channel.save()


def _require(actor: Actor, verb: str) -> None:
    if not isinstance(actor, str) and not actor.has_perm(f"ops.{verb}_alertchannel"):  # type: ignore[attr-defined]
        raise ForeseenError(
            "access.denied",
            "You may not change where alerts are sent.",
            "Ask a DBA Lead for the right to do it.",
        )


def _facts(channel: AlertChannel) -> dict[str, object]:
    return {
        "name": channel.name,
        "service": channel.service,
        "minimum_severity": str(channel.minimum_severity),
        "rules": channel.rules,
        "enabled": channel.enabled,
    }
