"""The plan: exactly what will be done, in order, how long it will take, and who has to sign it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.models import Backup, Instance
from catalog.roles import DBA_LEAD, SENIOR_DBA, VP_ENGINEERING
from catalog.selectors.recovery import recovery_facts
from catalog.services.log_stretch import stored_until
from catalog.states import GOOD_BACKUP
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.timeline import recovery_windows
from dataprotect.ops.operating_profile import Demand, OperatingProfile, Safeguard, safeguards_of
from dataprotect.ops.selectors import operating_profile
from restores.models import ApprovalPolicy, RestoreRequest, RestoreSettings
from restores.selectors.approvals import PolicyRow, others_who_fill, policy_active, row_for, rows_of
from restores.selectors.requests import database_sizes, unseen
from restores.services.estimate import Rates, rates, rollback_seconds, step_seconds
from restores.services.plan_words import what_changes, why_signed
from restores.services.request_draft import target_of
from restores.states import RollbackKind, Scope, TableMode

_TITLES = {
    "fresh_backup": "Take a fresh backup of {target}",
    "clone": "Bring up an isolated clone",
    "clone_check": "Validate the clone",
    "load": "Load {database} beside the one in use",
    "validate": "Validate the loaded {database}",
    "swap": "Exchange {database}",
    "watch": "Watch {database}",
    "compare": "Compare the tables",
    "rescue": "Bring the rows back",
    "restore_files": "Restore the data directory beside the old one",
    "stop_server": "Stop the server of {target}",
    "exchange": "Exchange the data directories",
    "start_server": "Start the server of {target}",
    "system_check": "Check the restored server",
    "base_backup": "Take a new base backup of {target}",
    "logs": "Re-arm log streaming of {target} and prove it",
    "drop_clone": "Drop the clone",
    "deliver": "Write the delivery message",
}
_ROLLBACK = {
    Scope.TABLE: (RollbackKind.TABLE_UNDO, "The rescue keeps what it changes beside the tables."),
    Scope.DATABASE: (RollbackKind.RENAMED_DATABASE, "The old database is kept under another name."),
    Scope.DATABASES: (RollbackKind.RENAMED_DATABASE, "Each old database is kept under another name."),
    Scope.SYSTEM: (RollbackKind.KEPT_DIRECTORY, "The old data directory is kept beside the new one."),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """From which backup, up to which instant; `because` says what would be lost."""

    backup: Backup
    recovers_to: datetime
    loss_seconds: float
    because: str


def plan_freeze(*, request: RestoreRequest) -> tuple[dict[str, Any], ApprovalPolicy, Backup]:
    """Reads the catalog, changes nothing. Raises `target.outside`, `target.no_window`, `restore.backup_bad`,
    `restore.database_unknown`.
    """
    now, policy = clock.now(), policy_active()
    reached = _reached(request, now)
    sizes = _sizes(request)
    row = row_for(rows_of(policy), request.scope, len(sizes), _volume(request, sizes))
    found = rates(request.instance)
    steps = _steps(request, sizes, found, now)
    target = request.target_instance
    return (
        {
            "version": 1,
            "restore_id": request.restore_id,
            "scope": request.scope,
            "frozen_at": clock.iso(now),
            "instance": _named(request.instance),
            "target": None if target is None else _named(target) | {"host": target.host, "port": target.port},
            "backup": {
                "backup_id": reached.backup.backup_id,
                "type": reached.backup.type,
                "stopped_at": clock.iso(reached.backup.stopped_at),
            },
            "recovery_target": request.recovery_target,
            "recovers_to": clock.iso(reached.recovers_to),
            "changes": what_changes(request),
            "loss_seconds": round(reached.loss_seconds, 3),
            "loss_because": reached.because,
            "databases": [{"name": name, "bytes": size} for name, size in sizes.items()],
            "tables": request.tables,
            "table_mode": request.table_mode,
            "options": request.options,
            "bytes": _volume(request, sizes),
            "steps": steps,
            "expected_seconds": round(sum(step["expected_seconds"] for step in steps), 1),
            "estimate": {"basis": "measured" if found.measured else "guess", "because": found.because},
            "rollback": _rollback(request),
            "approval": _approval(request, policy, row, now)
            | {"because": why_signed(request, row, len(sizes), _volume(request, sizes))},
            "profile": str(operating_profile(at=now)),
        },
        policy,
        reached.backup,
    )


def _named(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "identifier": instance.identifier,
        "environment": instance.environment,
        "tier": instance.tier.name,
    }


def _reached(request: RestoreRequest, now: datetime) -> Reached:
    target = target_of(request)
    if target is None:
        backup = request.backup
        assert backup is not None  # noqa: S101  see check_wish
        _must_be_good(backup)
        to = backup.stopped_at
    else:
        choice = recovery_windows(recovery_facts(instance=request.instance)).choose_base(target)
        wanted = request.backup.backup_id if request.backup is not None else choice.base.backup_id
        backup = Backup.objects.get(instance=request.instance, backup_id=wanted)
        _must_be_good(backup)
        to = target.at or choice.window.end_at
    seconds = max(0.0, (now - to).total_seconds())
    if request.scope == Scope.TEST:
        return Reached(backup, to, 0.0, "Nothing: a clone touches no server.")
    if request.scope == Scope.TABLE and request.table_mode in (TableMode.MERGE, TableMode.BESIDE):
        return Reached(backup, to, 0.0, "Nothing: no row that is there now is touched.")
    return Reached(backup, to, seconds, f"What was written since {clock.iso(to)} is not in what comes back.")


def _must_be_good(backup: Backup) -> None:
    if backup.state not in GOOD_BACKUP:
        raise ForeseenError(
            "restore.backup_bad",
            f"The backup {backup.backup_id} is {backup.get_state_display().lower()}: nothing proves it.",
            "Verify it first, or choose another one.",
        )


def _sizes(request: RestoreRequest) -> dict[str, int]:
    """Databases with their bytes, in the order of the run; all for a full system, none for a clone."""
    rows = database_sizes(instance=request.instance)
    if request.scope == Scope.TEST:
        return {}
    if request.scope == Scope.SYSTEM:
        return rows
    if unknown := unseen(request, rows):
        raise ForeseenError(
            "restore.database_unknown",
            f"{request.instance.name} has no database {unknown[0]!a} that was ever seen.",
            f"Choose among {', '.join(sorted(rows)[:20]) or 'none: probe the instance first'}.",
        )
    return {name: rows[name] for name in request.databases}


def _volume(request: RestoreRequest, sizes: dict[str, int]) -> int:
    """Of a test and a full system everything; else the databases, also where only tables are wanted."""
    if request.scope in (Scope.TEST, Scope.SYSTEM):
        return max(request.instance.size_bytes or 0, sum(sizes.values()))
    return sum(sizes.values())


def _steps(
    request: RestoreRequest, sizes: dict[str, int], found: Rates, now: datetime
) -> list[dict[str, Any]]:
    whole = request.instance.size_bytes or sum(sizes.values())
    settings = RestoreSettings.objects.filter(instance=request.target_instance).first()
    watch = float(settings.watch_seconds if settings else RestoreSettings().watch_seconds)
    target = request.target_instance.name if request.target_instance else ""
    return [
        {
            "kind": kind,
            "title": _TITLES[kind].format(database=database, target=target),
            "database": database,
            "expected_seconds": round(
                step_seconds(
                    kind, size=sizes.get(database, whole), whole=whole, found=found, watch_seconds=watch
                ),
                1,
            ),
        }
        for kind, database in _kinds(request, now)
    ]


def _kinds(request: RestoreRequest, now: datetime) -> list[tuple[str, str]]:
    start = [("clone", ""), ("clone_check", "")]
    if request.scope == Scope.TEST:
        return [*start, ("deliver", "")]
    if request.target_instance is not None and fresh_backup_needed(request.target_instance, now):
        start.insert(0, ("fresh_backup", ""))
    if request.scope == Scope.TABLE:
        database = request.databases[0]
        middle = [(kind, database) for kind in ("compare", "rescue", "watch")]
        return [*start, *middle, ("drop_clone", ""), ("deliver", "")]
    if request.scope == Scope.SYSTEM:
        kinds = ("restore_files", "stop_server", "exchange", "start_server", "system_check", "watch")
        middle = [(kind, "") for kind in kinds]
    else:
        middle = [
            (kind, name) for name in request.databases for kind in ("load", "validate", "swap", "watch")
        ]
    return [*start, *middle, ("base_backup", ""), ("logs", ""), ("drop_clone", ""), ("deliver", "")]


def fresh_backup_needed(instance: Instance, now: datetime) -> bool:
    """Is the newest instant that can be restored older than the RPO target?"""
    newest = max(filter(None, [instance.last_good_at, stored_until(instance)]), default=None)
    return newest is None or (now - newest).total_seconds() > instance.tier.rpo_seconds


def _rollback(request: RestoreRequest) -> dict[str, Any]:
    if request.target_instance is None:
        return {"kind": "", "expected_seconds": None, "because": "A clone needs none."}
    kind, because = _ROLLBACK[Scope(request.scope)]
    seconds, known = rollback_seconds(kind, request.target_instance)
    seconds *= max(1, len(request.databases))
    return {"kind": str(kind), "expected_seconds": round(seconds, 1), "because": f"{because} {known}"}


def _approval(
    request: RestoreRequest, policy: ApprovalPolicy, row: PolicyRow, now: datetime
) -> dict[str, Any]:
    """Where the profile asks for it "if available", a role that nobody could fill is waived."""
    roles, waived = [*row.roles, *_extra(request, row)], []
    demand = safeguards_of(OperatingProfile(operating_profile(at=now)))[Safeguard.APPROVAL]
    if demand == Demand.IF_AVAILABLE and request.target_instance is not None:
        waived = [
            role
            for role in roles
            if not others_who_fill(
                role=role, instance=request.target_instance, besides=request.requested_by_id, at=now
            )
        ]
    return {
        "policy_version": policy.version,
        "row": row.plain(),
        "roles": [role for role in roles if role not in waived],
        "waived": waived,
    }


def _extra(request: RestoreRequest, row: PolicyRow) -> list[str]:
    """Whoever asks at the terminal could be anybody, one of the signers too: one more person has to sign."""
    if request.scope == Scope.TEST or request.requested_by_id is not None:
        return []
    return [next(role for role in (DBA_LEAD, SENIOR_DBA, VP_ENGINEERING) if role not in row.roles)]
