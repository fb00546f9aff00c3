"""Slots while nobody streams from them: how much they keep, and those on servers that were left behind."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.db.models import Q

from catalog.models import Instance, LogCollector
from catalog.services.opening import source_of
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import slots
from dataprotect.engine.logs import slot_name
from dataprotect.engine.model import Address
from dataprotect.ops.lease import database_now
from dataprotect.ops.services.audit import audit_record


def slots_watch(*, instance: Instance, reporter: Reporter) -> None:
    """Part of every connection test: it waits for servers that are gone, as a collector must not."""
    row = LogCollector.objects.filter(instance=instance).first()
    if row is None:
        return
    address = source_of(instance).address
    try:
        _measure(row, address)
    except ForeseenError as error:
        reporter.note(f"The replication slot could not be looked at: {error.message}")
    for left in row.slots_left:
        try:
            dropped = slots.drop_left(
                _at(address, left), address, slot_name(instance.engine, instance.identifier)
            )
        except ForeseenError as error:
            reporter.note(f"A slot may be left on {left}: {error.message}")
            continue
        _strike_out(row, left, dropped)


def _measure(row: LogCollector, address: Address) -> None:
    """A collector measures every few seconds; without one, a slot fills the server's disk unseen."""
    if not row.slot_name:
        return
    found = slots.measured(address, row.slot_name)
    nobody = Q(lease_owner="") | Q(lease_until__lt=database_now())
    LogCollector.objects.filter(nobody, pk=row.pk, slot_name=row.slot_name).update(
        slot_status=found.status if found else "",
        slot_retained_bytes=max(0, found.retained or 0) if found else None,
    )


@transaction.atomic
def _strike_out(row: LogCollector, left: str, dropped: bool) -> None:
    kept = LogCollector.objects.select_for_update().get(pk=row.pk)
    LogCollector.objects.filter(pk=row.pk).update(
        slots_left=[each for each in kept.slots_left if each != left]
    )
    if dropped:
        data = {"slot": row.slot_name, "address": left}
        audit_record(actor="system", verb="logs.slot_dropped", subject=row.instance, data=data)


def _at(address: Address, place: str) -> Address:
    """The same way in, at another `host:port`."""
    host, _, port = place.rpartition(":")
    return replace(address, host=host, port=int(port))
