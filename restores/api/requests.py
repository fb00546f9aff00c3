"""/api/v1/restores: asking for restores, following them, and, for a person in a session, deciding.

A token may ask, look and cancel what it asked for. It never signs, starts or rolls back: the services refuse.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from catalog.api.auth import asker
from catalog.api.shapes import JobOut, Page, PageQuery, Strict
from catalog.selectors import backup_get, instance_get
from dataprotect.core import clock, validation
from dataprotect.engine.recovery_target import parse_target
from dataprotect.ops.models import Job
from dataprotect.ops.step_up import fresh_at
from restores.models import RestoreRequest
from restores.selectors.requests import request_get, request_list
from restores.selectors.run_progress import progress_of
from restores.services.approval_deny import approval_deny
from restores.services.approval_give import approval_give
from restores.services.request_cancel import restore_cancel
from restores.services.request_draft import Wish, restore_draft
from restores.services.request_start import restore_start
from restores.services.request_submit import restore_submit
from restores.services.rollback_run import rollback_start

restores = Router(tags=["restores"])


class RestoreIn(Strict):
    """`target_instance` is never a default; without one only a test restore on a clone can be asked for."""

    instance: str
    scope: str = "test"
    target_instance: str | None = None
    backup_id: str | None = None
    target_time: str | None = None
    target_lsn: str | None = None
    target_name: str | None = None
    latest: bool = False
    databases: list[str] = []
    tables: list[tuple[str, str]] = []
    table_mode: str = ""
    options: dict[str, Any] = {}
    reason: str = ""
    ticket: str = ""
    window_start: datetime | None = None
    window_end: datetime | None = None
    typed_target: str = ""


class DecisionIn(Strict):
    """`plan_hash` is that of the plan which was read."""

    plan_hash: str
    role: str = ""
    reason: str = ""


class ReasonIn(Strict):
    reason: str = ""


class RestoreOut(Schema):
    restore_id: str
    state: str
    scope: str
    instance: str
    target_instance: str | None
    requested_by_name: str
    created_at: datetime
    plan: dict[str, Any]
    plan_hash: str
    approval_until: datetime | None
    execute_until: datetime | None
    ended_reason: str

    @staticmethod
    def resolve_instance(row: RestoreRequest) -> str:
        return row.instance.name

    @staticmethod
    def resolve_target_instance(row: RestoreRequest) -> str | None:
        return row.target_instance.name if row.target_instance is not None else None


@restores.get("", response=Page[RestoreOut])
def listed(request: HttpRequest, page: Query[PageQuery]) -> dict[str, Any]:
    return page.of(request_list(user=asker(request)))


@restores.post("", response={201: RestoreOut})
def asked(request: HttpRequest, data: RestoreIn) -> Status[RestoreRequest]:
    """Draft and submit in one."""
    actor = asker(request)
    instance = instance_get(user=actor, name=validation.instance_name(data.instance))
    row = restore_draft(actor=actor, instance=instance, wish=_wish(request, data))
    return Status(201, restore_submit(actor=actor, request=row, typed_target=data.typed_target))


@restores.get("/{restore_id}", response=RestoreOut)
def one(request: HttpRequest, restore_id: str) -> RestoreRequest:
    return _get(request, restore_id)


@restores.get("/{restore_id}/progress", response=dict[str, Any])
def progress(request: HttpRequest, restore_id: str) -> dict[str, object]:
    return progress_of(_get(request, restore_id))


@restores.post("/{restore_id}/cancel", response=RestoreOut)
def cancelled(request: HttpRequest, restore_id: str, data: ReasonIn) -> RestoreRequest:
    row = _get(request, restore_id)
    return restore_cancel(actor=asker(request), request=row, reason=data.reason)


@restores.post("/{restore_id}/approve", response=RestoreOut)
def approved(request: HttpRequest, restore_id: str, data: DecisionIn) -> RestoreRequest:
    return approval_give(
        actor=asker(request), request=_get(request, restore_id), plan_hash=data.plan_hash, role=data.role,
        reason=data.reason, fresh_at=fresh_at(request),
    )  # fmt: skip


@restores.post("/{restore_id}/deny", response=RestoreOut)
def denied(request: HttpRequest, restore_id: str, data: DecisionIn) -> RestoreRequest:
    return approval_deny(
        actor=asker(request), request=_get(request, restore_id), plan_hash=data.plan_hash,
        reason=data.reason, fresh_at=fresh_at(request),
    )  # fmt: skip


@restores.post("/{restore_id}/start", response={202: JobOut})
def started(request: HttpRequest, restore_id: str) -> Status[Job]:
    row = _get(request, restore_id)
    return Status(202, restore_start(actor=asker(request), request=row, fresh_at=fresh_at(request)))


@restores.post("/{restore_id}/roll-back", response={202: JobOut})
def rolled_back(request: HttpRequest, restore_id: str, data: ReasonIn) -> Status[Job]:
    row = _get(request, restore_id)
    job = rollback_start(
        actor=asker(request), request=row, reason=data.reason, fresh_at=fresh_at(request)
    )  # fmt: skip
    return Status(202, job)


def _get(request: HttpRequest, restore_id: str) -> RestoreRequest:
    return request_get(user=asker(request), restore_id=restore_id)


def _wish(request: HttpRequest, data: RestoreIn) -> Wish:
    actor = asker(request)
    target = parse_target(
        time=data.target_time, lsn_text=data.target_lsn, name=data.target_name, latest=data.latest,
        now=clock.now(),
    )  # fmt: skip
    onto = None
    if data.target_instance is not None:
        onto = instance_get(user=actor, name=validation.instance_name(data.target_instance))
    backup = None
    if data.backup_id is not None:
        backup = backup_get(user=actor, backup_id=validation.backup_id(data.backup_id))
    return Wish(
        scope=data.scope, target_instance=onto, backup=backup, recovery_target=target,
        databases=data.databases, tables=data.tables, table_mode=data.table_mode, options=data.options,
        reason=data.reason, ticket=data.ticket, window_start=data.window_start, window_end=data.window_end,
    )  # fmt: skip
