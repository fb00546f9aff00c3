"""What somebody wants to bring back, written down and changed until it is submitted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Backup, Instance
from catalog.services.access import Actor, came_by_token, require
from catalog.services.cleaning import save_clean
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.recovery_target import as_plain, of_plain
from dataprotect.engine.timeline_model import Target
from dataprotect.ops.services.alert_resolve import alert_resolve
from dataprotect.ops.services.audit import actor_name, audit_record
from restores.models import RestoreRequest
from restores.services.approval_give import waiting_key
from restores.services.approvals_stand import approvals_void
from restores.services.request_state import request_move
from restores.states import OPEN, RestoreState, Scope, TableMode

MOST_DATABASES, MOST_TABLES = 200, 200


@dataclass(frozen=True, slots=True)
class Wish:
    """Everything a person chooses. `tables`: (schema, table) of the one database."""

    scope: str
    target_instance: Instance | None = None
    backup: Backup | None = None
    recovery_target: Target | None = None
    databases: Sequence[str] = ()
    tables: Sequence[tuple[str, str]] = ()
    table_mode: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    ticket: str = ""
    window_start: datetime | None = None
    window_end: datetime | None = None


@transaction.atomic
def restore_draft(
    *, actor: Actor, instance: Instance, wish: Wish, declared_at: datetime | None = None
) -> RestoreRequest:
    """A draft nobody has to sign yet. Raises `access.denied`, InvalidInput without scope or source."""
    _may(actor, instance, wish)
    row = RestoreRequest(
        restore_id=f"r{secrets.token_hex(4)}",
        instance=instance,
        created_at=clock.now(),
        declared_at=declared_at or clock.now(),
    )
    asked_by(actor, row)
    _write(row, wish)
    data = {"restore": row.restore_id, "scope": str(row.scope)}
    audit_record(actor=actor, verb="restore.drafted", subject=row.subject, data=data)
    return row


@transaction.atomic
def restore_edit(*, actor: Actor, request: RestoreRequest, wish: Wish) -> RestoreRequest:
    """Another wish, of whoever writes it: the plan goes, and every signature. Raises `restore.not_open`, and
    as drafting.
    """
    row = RestoreRequest.objects.select_for_update().get(pk=request.pk)
    may_change(actor, row)
    _may(actor, row.instance, wish)
    if row.state != RestoreState.DRAFT:
        approvals_void(actor=actor, request=row)
        request_move(
            actor=actor, request=row, to=RestoreState.DRAFT, submitted_at=None, approved_at=None,
            approval_until=None, execute_until=None, data={"because": "It was edited."},
        )  # fmt: skip
        alert_resolve(waiting_key(row), reason="It was edited.")
    row.plan, row.plan_hash, row.planned_at, row.policy, row.typed_target = {}, "", None, None, ""
    if not _compares_the_same(wish_of(row), wish):
        row.comparison_sealed, row.compared_at = "", None
    asked_by(actor, row)
    _write(row, wish)
    return row


def asked_by(actor: Actor, row: RestoreRequest) -> None:
    """Whoever states the wish, or submits it, asks for it, and so never signs it: else one person could
    rewrite the request of another and sign it alone. Not saved here.
    """
    row.requested_by = actor if isinstance(actor, User) else None
    row.requested_by_name = actor_name(actor)
    row.by_token = isinstance(actor, User) and came_by_token(actor)


def wish_of(row: RestoreRequest) -> Wish:
    """What the row says now, to be changed in part (`dataclasses.replace`)."""
    from_row = {each.name: getattr(row, each.name) for each in fields(Wish) if each.name != "recovery_target"}
    return Wish(**from_row | {"recovery_target": target_of(row)})


def from_elsewhere(wish: Wish, *, scope: str, recovery_target: Target | None, backup: Backup | None) -> Wish:
    """The same wish with another source or scope, without what then has no meaning: what the scope does not
    take, and rows that were chosen from another comparison.
    """
    moved = replace(wish, scope=scope, recovery_target=recovery_target, backup=backup)
    if scope == Scope.TEST:
        moved = replace(moved, target_instance=None)
    if scope in (Scope.TEST, Scope.SYSTEM):
        moved = replace(moved, databases=())
    if scope != Scope.TABLE:
        return replace(
            moved, tables=(), table_mode="", options=_without(wish, "rows", "triggers", "conflicts")
        )
    if wish.table_mode == TableMode.ROWS and not _compares_the_same(wish, moved):
        return replace(moved, table_mode="", options=_without(wish, "rows"))
    return moved


def _without(wish: Wish, *options: str) -> dict[str, Any]:
    return {name: value for name, value in wish.options.items() if name not in options}


def _compares_the_same(old: Wish, new: Wish) -> bool:
    """Would the clone, and what it is held against, be the same ones?"""
    return (old.backup, old.recovery_target, old.target_instance, list(old.databases)) == (
        new.backup,
        new.recovery_target,
        new.target_instance,
        list(new.databases),
    ) and [list(each) for each in old.tables] == [list(each) for each in new.tables]


def target_of(row: RestoreRequest) -> Target | None:
    """The recovery target; None: the backup as it is."""
    return of_plain(row.recovery_target) if row.recovery_target else None


def may_change(actor: Actor, row: RestoreRequest) -> None:
    """Whoever asked, or somebody who may restore from that instance. Raises `restore.not_open`."""
    if row.state not in OPEN:
        raise ForeseenError(
            "restore.not_open",
            f"{row.restore_id} is {row.get_state_display().lower()} and cannot be changed any more.",
            "Draft another one.",
        )
    if not (isinstance(actor, User) and actor.pk == row.requested_by_id):
        require(actor=actor, permission="catalog.restore_instance", instance=row.instance)


def _may(actor: Actor, instance: Instance, wish: Wish) -> None:
    require(actor=actor, permission="catalog.restore_instance", instance=instance)
    if wish.target_instance is not None and wish.target_instance != instance:
        require(actor=actor, permission="catalog.restore_instance", instance=wish.target_instance)
    if wish.backup is not None and wish.backup.instance_id != instance.pk:
        raise InvalidInput("backup", f"Expected a backup of {instance.name}.")
    if wish.scope not in Scope.values:
        raise InvalidInput("scope", f"Expected one of {', '.join(Scope.values)}.")
    if wish.backup is None and wish.recovery_target is None:
        raise InvalidInput("target", "Expected a backup, or an instant to go back to.")


def check_wish(wish: Wish) -> None:
    """What is submitted is complete and fits its scope; a draft may lack things. Raises InvalidInput."""
    if wish.scope == Scope.TEST and wish.target_instance is not None:
        raise InvalidInput(
            "target_instance", "A test restore comes up as an isolated clone, never on a server."
        )
    if wish.scope != Scope.TEST and wish.target_instance is None:
        raise InvalidInput("target_instance", "Expected the instance to restore onto: none is a default.")
    _check_databases(wish)
    if (wish.scope == Scope.TABLE) != bool(wish.tables):
        raise InvalidInput("tables", "Expected tables for a table rescue, and only for one.")
    if wish.scope == Scope.TABLE and wish.table_mode not in TableMode.values:
        raise InvalidInput("table_mode", f"Expected one of {', '.join(TableMode.values)}.")
    if wish.table_mode == TableMode.ROWS and not wish.options.get("rows"):
        raise InvalidInput("rows", "Expected the rows to restore: compare the tables and choose them.")
    if len(wish.tables) > MOST_TABLES:
        raise InvalidInput("tables", f"Expected at most {MOST_TABLES} tables in one rescue.")
    if (wish.window_start is None) != (wish.window_end is None) or (
        wish.window_start and wish.window_end and wish.window_start >= wish.window_end
    ):
        raise InvalidInput("window_end", "Expected a downtime window with a beginning and a later end.")


def _check_databases(wish: Wish) -> None:
    count, scope = len(wish.databases), wish.scope
    if len(set(wish.databases)) != count:
        raise InvalidInput("databases", "Expected each database once.")
    if scope in (Scope.DATABASE, Scope.TABLE) and count != 1:
        raise InvalidInput("databases", "Expected exactly one database.")
    if scope == Scope.DATABASES and not 2 <= count <= MOST_DATABASES:
        raise InvalidInput("databases", f"Expected 2 to {MOST_DATABASES} databases, in the order of the run.")
    if scope in (Scope.TEST, Scope.SYSTEM) and count:
        raise InvalidInput("databases", "Expected no database: this scope takes all of them.")
    if any(not name or "\0" in name or len(name.encode()) > 63 for name in wish.databases):
        raise InvalidInput("databases", "Expected names of databases, each 1 to 63 bytes.")


def _write(row: RestoreRequest, wish: Wish) -> None:
    row.scope, row.target_instance, row.backup = wish.scope, wish.target_instance, wish.backup
    row.recovery_target = as_plain(wish.recovery_target) if wish.recovery_target else None
    row.databases, row.tables = list(wish.databases), [list(each) for each in wish.tables]
    row.table_mode = wish.table_mode if wish.scope == Scope.TABLE else ""
    row.options = dict(wish.options)
    row.reason, row.ticket = wish.reason.strip()[:500], wish.ticket.strip()[:100]
    row.window_start, row.window_end = wish.window_start, wish.window_end
    save_clean(row)
