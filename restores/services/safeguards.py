"""The checklist of one frozen plan, each item with its evidence. Nothing is skipped without saying why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalog.states import GOOD_BACKUP
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.operating_profile import WORDS, Demand, OperatingProfile, Safeguard, safeguards_of
from dataprotect.ops.selectors import operating_profile
from dataprotect.ops.stop import stop_reason
from restores.models import RestoreRequest
from restores.models import Safeguard as Row
from restores.selectors.approvals import signatures
from restores.states import SafeguardState, Scope

LONGEST_ROLLBACK = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`met` None: it was not given or cannot be had; then the profile decides."""

    met: bool | None
    because: str
    evidence: dict[str, Any] = field(default_factory=dict)


def safeguards_check(*, request: RestoreRequest) -> list[Row]:
    """Look at every item now and write its row for this plan, in the caller's transaction."""
    now = clock.now()
    profile = OperatingProfile(request.plan["profile"])
    rows = []
    for item, demand in safeguards_of(profile).items():
        state, found = _judged(request, item, demand, now)
        row, _ = Row.objects.update_or_create(
            request=request, plan_hash=request.plan_hash, code=str(item),
            defaults={
                "state": state, "because": found.because[:500], "evidence": found.evidence, "checked_at": now,
            },
        )  # fmt: skip
        rows.append(row)
    return rows


def answers_demanded(*, request: RestoreRequest) -> frozenset[Safeguard]:
    """What only whoever asks can give, and without which submitting is refused under the profile as it is."""
    wanted = {Safeguard.CHANGE_TICKET, Safeguard.DOWNTIME_WINDOW}
    if request.scope == Scope.TEST:
        return frozenset()
    if request.scope == Scope.TABLE:
        wanted.remove(Safeguard.DOWNTIME_WINDOW)
    demands = safeguards_of(operating_profile())
    return frozenset(item for item in wanted if demands[item] == Demand.REQUIRED)


def refuse_failed(rows: list[Row], *, besides: frozenset[Safeguard] = frozenset()) -> None:
    """Raises `restore.safeguard` naming what is not met."""
    failed = [row for row in rows if row.state == SafeguardState.FAILED and row.code not in besides]
    if failed:
        words = "; ".join(f"{WORDS[Safeguard(row.code)]}: {row.because}" for row in failed)
        raise ForeseenError(
            "restore.safeguard", f"Not everything that protects this restore is there. {words}",
            "Add what is missing, then try again.",
        )  # fmt: skip


def _judged(
    request: RestoreRequest, item: Safeguard, demand: Demand, now: datetime
) -> tuple[SafeguardState, Finding]:
    if request.scope == Scope.TEST and item not in (Safeguard.INTEGRITY_VERIFIED, Safeguard.STOP_CLEAR):
        return SafeguardState.SKIPPED, Finding(None, "An isolated clone touches no server.")
    found = _LOOK[item](request, now)
    if found.met:
        return SafeguardState.PASSED, found
    if found.met is None and demand == Demand.IF_AVAILABLE:
        because = f"{found.because} The profile {request.plan['profile']} asks for it where it can be had."
        return SafeguardState.SKIPPED, Finding(None, because, found.evidence)
    return SafeguardState.FAILED, found


def _ticket(request: RestoreRequest, now: datetime) -> Finding:
    if request.ticket:
        return Finding(True, f"Change ticket {request.ticket}.", {"ticket": request.ticket})
    return Finding(None, "No change ticket was named.")


def _integrity(request: RestoreRequest, now: datetime) -> Finding:
    backup = request.backup
    if backup is None:
        return Finding(False, "No backup is chosen.")
    backup.refresh_from_db(fields=["state", "state_changed_at"])
    evidence = {
        "backup_id": backup.backup_id,
        "state": backup.state,
        "since": clock.iso(backup.state_changed_at),
    }
    good = backup.state in GOOD_BACKUP
    return Finding(good, f"{backup.backup_id} is {backup.get_state_display().lower()}.", evidence)


def _target(request: RestoreRequest, now: datetime) -> Finding:
    wanted = name_to_type(request)
    if request.typed_target == wanted:
        return Finding(True, f"{wanted} was typed by {request.requested_by_name}.", {"typed": wanted})
    return Finding(False, f"Expected the name {wanted} to be typed, exactly.")


def name_to_type(request: RestoreRequest) -> str:
    """What confirms the target: the database, or the instance where there are several."""
    if len(request.databases) == 1:
        return str(request.databases[0])
    return request.target_instance.name if request.target_instance is not None else ""


def _window(request: RestoreRequest, now: datetime) -> Finding:
    if request.scope == Scope.TABLE:
        return Finding(True, "A table rescue locks nobody out: it needs no downtime.")
    start, end = request.window_start, request.window_end
    if start is None or end is None:
        return Finding(None, "No downtime window was agreed.")
    evidence = {"from": clock.iso(start), "until": clock.iso(end)}
    if end <= now:
        return Finding(False, f"The downtime window ended at {clock.iso(end)}.", evidence)
    return Finding(True, f"Downtime from {clock.iso(start)} until {clock.iso(end)}.", evidence)


def _fresh(request: RestoreRequest, now: datetime) -> Finding:
    target = request.target_instance
    assert target is not None  # noqa: S101  a clone does not ask
    if any(step["kind"] == "fresh_backup" for step in request.plan["steps"]):
        return Finding(True, f"The run begins with a fresh backup of {target.name}.")
    newest = target.last_good_at
    evidence = {"last_good_backup": clock.iso(newest) if newest else None}
    return Finding(True, f"{target.name} can be restored to an instant within its RPO target.", evidence)


def _rollback(request: RestoreRequest, now: datetime) -> Finding:
    rollback = request.plan["rollback"]
    seconds = rollback["expected_seconds"]
    if seconds is None:
        return Finding(None, rollback["because"], rollback)
    if seconds >= LONGEST_ROLLBACK:
        return Finding(
            False, f"Rolling back is estimated at {seconds:.0f} s, more than ten minutes.", rollback
        )
    return Finding(True, f"{rollback['because']} Estimated: {seconds:.0f} s.", rollback)


def _approval(request: RestoreRequest, now: datetime) -> Finding:
    approval = request.plan["approval"]
    given = [
        {"role": each.role, "by": each.approver.get_username(), "at": clock.iso(each.decided_at)}
        for each in signatures(request)
    ]
    missing = [role for role in approval["roles"] if role not in {each["role"] for each in given}]
    if hasattr(request, "break_glass"):
        return Finding(True, f"The glass was broken: {request.break_glass.reason}", {"glass": True})
    if missing:
        return Finding(False, f"Not signed yet as {' and '.join(missing)}.", {"signed": given})
    if approval["waived"]:
        return Finding(
            None, f"Nobody else could sign as {' and '.join(approval['waived'])}.", {"signed": given}
        )
    names = ", ".join(f"{each['by']} as {each['role']}" for each in given)
    return Finding(
        True, f"Signed by {names}." if names else "The policy asks for no signature.", {"signed": given}
    )


def _stop(request: RestoreRequest, now: datetime) -> Finding:
    reason = stop_reason()
    return Finding(not reason, f"The emergency stop is active: {reason}." if reason else "It is clear.")


_LOOK: dict[Safeguard, Callable[[RestoreRequest, datetime], Finding]] = {
    Safeguard.CHANGE_TICKET: _ticket,
    Safeguard.INTEGRITY_VERIFIED: _integrity,
    Safeguard.TARGET_CONFIRMED: _target,
    Safeguard.DOWNTIME_WINDOW: _window,
    Safeguard.FRESH_BACKUP: _fresh,
    Safeguard.ROLLBACK_PATH: _rollback,
    Safeguard.APPROVAL: _approval,
    Safeguard.STOP_CLEAR: _stop,
}
