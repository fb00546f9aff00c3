"""/api/v1/clones and /api/v1/restored-folders"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from catalog.api.auth import asker
from catalog.api.shapes import JobOut, Page, PageQuery, Strict
from catalog.models import Backup, Instance
from catalog.selectors import backup_get, instance_get
from dataprotect.core import clock, validation
from dataprotect.core.errors import InvalidInput
from dataprotect.engine.recovery_target import parse_target
from dataprotect.engine.timeline_model import Target
from dataprotect.ops.models import Job
from restores.models import Clone
from restores.selectors import clone_get, clone_list
from restores.services import clone_drop_start, clone_start, restore_files_start

clones = Router(tags=["clones"])
folders = Router(tags=["restored folders"])


class Wanted(Strict):
    """A backup, or an instance with a target; with an instance the best backup is chosen."""

    backup_id: str | None = None
    instance: str | None = None
    target_time: str | None = None
    target_lsn: str | None = None
    target_name: str | None = None
    latest: bool = False


class FolderIn(Wanted):
    to: str
    tablespaces: dict[str, str] = {}


class CloneOut(Schema):
    clone_id: str
    backup_id: str
    state: str
    dsn: str
    target: str
    reached_position: str
    reached_at: datetime | None
    reached_reason: str
    created_by: str
    ready_at: datetime
    expires_at: datetime

    @staticmethod
    def resolve_backup_id(row: Clone) -> str:
        return row.backup.backup_id


@clones.get("", response=Page[CloneOut])
def listed(request: HttpRequest, page: Query[PageQuery]) -> dict[str, Any]:
    return page.of(clone_list(user=asker(request)))


@clones.get("/{clone_id}", response=CloneOut)
def one(request: HttpRequest, clone_id: str) -> Clone:
    return clone_get(user=asker(request), clone_id=clone_id)


@clones.post("", response={202: JobOut})
def brought_up(request: HttpRequest, data: Wanted) -> Status[Job]:
    backup, instance, target = _read(request, data)
    return Status(
        202, clone_start(actor=asker(request), backup=backup, instance=instance, target=target)
    )  # fmt: skip


@clones.post("/{clone_id}/drop", response={202: JobOut})
def dropped(request: HttpRequest, clone_id: str) -> Status[Job]:
    row = clone_get(user=asker(request), clone_id=clone_id)
    return Status(202, clone_drop_start(actor=asker(request), clone=row))


@folders.post("", response={202: JobOut})
def restored(request: HttpRequest, data: FolderIn) -> Status[Job]:
    backup, instance, target = _read(request, data)
    job = restore_files_start(
        actor=asker(request), backup=backup, instance=instance, target=data.to,
        tablespaces=data.tablespaces, recovery_target=target,
    )  # fmt: skip
    return Status(202, job)


def _read(request: HttpRequest, data: Wanted) -> tuple[Backup | None, Instance, Target | None]:
    target = parse_target(
        time=data.target_time, lsn_text=data.target_lsn, name=data.target_name, latest=data.latest,
        now=clock.now(),
    )  # fmt: skip
    if (data.backup_id is None) == (data.instance is None):
        raise InvalidInput("backup_id", "Expected either a backup id or an instance.")
    if data.backup_id is not None:
        backup = backup_get(user=asker(request), backup_id=validation.backup_id(data.backup_id))
        return backup, backup.instance, target
    if target is None:
        raise InvalidInput("target", "Expected a target with an instance.")
    name = validation.instance_name(data.instance or "")
    return None, instance_get(user=asker(request), name=name), target
