"""/api/v1/instances"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from catalog.api.auth import asker
from catalog.api.shapes import (
    BackupIn,
    InstanceChange,
    InstanceDetailOut,
    InstanceIn,
    InstanceOut,
    JobOut,
    Page,
    PageQuery,
)
from catalog.models import Instance
from catalog.selectors import instance_get, instance_list
from catalog.selectors.visible import can_exist
from catalog.services import backup_start, instance_add, instance_probe_start, instance_update
from dataprotect.core.secrets import Secret
from dataprotect.ops.models import Job

router = Router(tags=["instances"])


@router.get("", response=Page[InstanceOut])
def listed(request: HttpRequest, page: Query[PageQuery], search: str = "") -> dict[str, Any]:
    rows = instance_list(user=asker(request))
    if search:
        rows = rows.filter(name__icontains=search) if can_exist(search) else rows.none()
    return page.of(rows)


@router.post("", response={201: InstanceDetailOut})
def added(request: HttpRequest, data: InstanceIn) -> Status[Instance]:
    """It is not connected to here: start a probe for that."""
    values = data.dict(exclude={"password"})
    row = instance_add(actor=asker(request), password=_secret(data), **values)
    return Status(201, instance_get(user=asker(request), name=row.name))


@router.get("/{name}", response=InstanceDetailOut)
def one(request: HttpRequest, name: str) -> Instance:
    return instance_get(user=asker(request), name=name)


@router.patch("/{name}", response=InstanceDetailOut)
def changed(request: HttpRequest, name: str, data: InstanceChange) -> Instance:
    instance = instance_get(user=asker(request), name=name)
    changes = {key: value for key, value in data.dict(exclude={"password"}).items() if value is not None}
    row = instance_update(actor=asker(request), instance=instance, password=_secret(data), **changes)
    return instance_get(user=asker(request), name=row.name)


@router.post("/{name}/probe", response={202: JobOut})
def probed(request: HttpRequest, name: str) -> Status[Job]:
    instance = instance_get(user=asker(request), name=name)
    return Status(202, instance_probe_start(actor=asker(request), instance=instance))


@router.post("/{name}/backups", response={202: JobOut})
def backed_up(request: HttpRequest, name: str, data: BackupIn) -> Status[Job]:
    instance = instance_get(user=asker(request), name=name)
    job = backup_start(actor=asker(request), instance=instance, type=data.type, reader=data.reader)
    return Status(202, job)


def _secret(data: InstanceIn | InstanceChange) -> Secret | None:
    return Secret(data.password.get_secret_value()) if data.password is not None else None
