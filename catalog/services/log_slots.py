"""Replication slots: dropped when nobody streams from them any more, shown when nobody knows them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import transaction

from catalog.models import Instance, LogCollector
from catalog.services import log_trouble
from catalog.services.access import Actor, require
from catalog.services.log_lease import CollectorLease, lease_claim
from catalog.services.opening import source_of
from catalog.states import CollectorState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql import slots
from dataprotect.engine.logs import slot_name
from dataprotect.ops.lease import new_owner
from dataprotect.ops.services.audit import audit_record

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot of ours on a server. `instance` is empty for one that no registered instance has."""

    name: str
    instance: str
    active: bool
    status: str
    retained_bytes: int | None


def slots_list(*, actor: Actor, instance: Instance) -> list[SlotRow]:
    """Every slot of ours on the instance's server; connects to it. Raises `access.denied`."""
    require(actor=actor, permission="catalog.view_instance", instance=instance)
    known = {slot_name(each.engine, each.identifier): each.name for each in Instance.objects.all()}
    return [
        SlotRow(slot.name, known.get(slot.name, ""), slot.active, slot.status, slot.retained)
        for slot in slots.listed(source_of(instance).address)
    ]


def slot_drop(*, actor: Actor, instance: Instance, name: str = "") -> bool:
    """Drop the instance's own slot, or an orphaned one on its server by name; False when there is none.

    Call it before an instance is removed. Raises `access.denied`, `logs.slot_active`, `logs.slot_in_use`.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    own = slot_name(instance.engine, instance.identifier)
    wanted = name or own
    if not wanted.startswith(slots.PREFIX):
        raise InvalidInput("slot", f"Expected a slot whose name begins with {slots.PREFIX}.")
    owners = {slot_name(each.engine, each.identifier): each for each in Instance.objects.all()}
    if wanted != own and wanted in owners:
        raise ForeseenError(
            "logs.slot_in_use",
            f"The slot {wanted} belongs to the instance {owners[wanted].name}.",
            "Switch off the streaming of that instance instead.",
        )
    dropped = slots.drop(source_of(instance).address, wanted)
    with transaction.atomic():
        if wanted == own:
            _forget(instance)
        audit_record(actor=actor, verb="logs.slot_dropped", subject=instance, data={"slot": wanted})
    return dropped


def slot_forget(*, instance: Instance, lease: CollectorLease) -> None:
    """Streaming is off: drop the slot, mark the row. Raises when the server cannot be reached; try again.

    A slot that was made at another address is left to `slots_watch`.
    """
    row = lease.rows().first()
    if row is None:
        return
    address = source_of(instance).address
    if row.slot_name:
        slots.drop(address, row.slot_name)
    left = sorted({*row.slots_left, row.slot_address} - {"", f"{address.host}:{address.port}"})
    with transaction.atomic():
        lease.hold()
        _forget(instance)
        lease.rows().update(slots_left=left, slot_address="")
        audit_record(actor="system", verb="logs.slot_dropped", subject=instance, data={"slot": row.slot_name})
    log_trouble.over(instance)


def slot_of_removed(*, instance: Instance) -> None:
    """The instance was removed while its log was streamed: nobody else will drop its slot.

    The server may need a moment to see that the stream has ended. Does nothing while it is registered.
    """
    if Instance.objects.filter(pk=instance.pk).exists():
        return
    for attempt in range(_ATTEMPTS):
        try:
            slots.drop(source_of(instance).address, slot_name(instance.engine, instance.identifier))
            return
        except ForeseenError as error:
            if error.code != "logs.slot_active" or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(1.0)


def slot_forget_now(*, instance: Instance) -> None:
    """The same outside a collector. Raises `logs.slot_active` while one still streams."""
    lease = lease_claim(instance_id=instance.pk, owner=new_owner())
    if lease is None:
        raise ForeseenError(
            "logs.slot_active",
            f"A collector still streams the log of {instance.name}.",
            "Switch the streaming off and wait until the collector has let go.",
            retry=True,
        )
    try:
        slot_forget(instance=instance, lease=lease)
    finally:
        lease.release()


def _forget(instance: Instance) -> None:
    LogCollector.objects.filter(instance=instance).update(
        state=CollectorState.OFF, state_changed_at=clock.now(), slot_name="", slot_status="",
        slot_retained_bytes=None, failures=0, last_error="", last_error_code="", next_try_at=None,
        lag_bytes=None, lag_seconds=None,
    )  # fmt: skip
