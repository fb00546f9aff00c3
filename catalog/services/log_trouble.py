"""Alerts that a stream of log raises itself; what its row says is watched by the rules."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.models import Instance
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.services.alert_raise import alert_raise
from dataprotect.ops.services.alert_resolve import alert_resolve


def refused(instance: Instance, error: ForeseenError) -> None:
    """Another cluster answers at the instance's address, or the repository's folder is another one's."""
    alert_raise(
        rule="log_refused", severity="critical", subject=instance.subject,
        title=f"The log of {instance.name} is refused: {error.code}.",
        detail=f"{error.message} {error.action}", dedupe_key=f"log_refused:{instance.pk}",
    )  # fmt: skip


def over(instance: Instance) -> None:
    """It streams again."""
    alert_resolve(f"log_refused:{instance.pk}")


def base_needed(instance: Instance, reason: str) -> None:
    alert_raise(
        rule="log_base_needed", severity="warning", subject=instance.subject,
        title=f"{instance.name} needs a new full backup.", detail=f"{reason} It was asked for.",
        dedupe_key=f"log_base_needed:{instance.pk}",
    )  # fmt: skip


def base_taken(instance: Instance) -> None:
    alert_resolve(f"log_base_needed:{instance.pk}")


def orphaned(instance: Instance, names: Iterable[str]) -> None:
    """Slots of ours on the instance's server that no registered instance has; over when there are none."""
    found = sorted(names)
    key = f"log_slot_orphaned:{instance.host}:{instance.port}"
    if not found:
        alert_resolve(key)
        return
    alert_raise(
        rule="log_slot_orphaned", severity="warning", subject=instance.subject,
        title=f"Forgotten replication slots on {instance.host}:{instance.port}.",
        detail=f"{', '.join(found)}: no registered instance streams from them, and the server keeps its log "
        f"for them. Drop each with `manage.py log_slots {instance.name} --drop SLOT`, unless another "
        "installation uses it.",
        dedupe_key=key,
    )  # fmt: skip
