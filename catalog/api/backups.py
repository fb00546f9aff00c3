"""/api/v1/backups and /api/v1/verifications"""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from catalog.api.auth import asker
from catalog.api.shapes import BackupOut, JobOut, Page, PageQuery, VerificationIn, VerificationOut
from catalog.models import Backup, Verification
from catalog.selectors import backup_get, backup_list, instance_get, verifications_visible
from catalog.selectors.visible import not_found
from catalog.services import verification_start
from catalog.states import BackupState
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.models import Job

router = Router(tags=["backups"])
verifications = Router(tags=["verifications"])
_NUMBER = re.compile(r"[0-9]{1,18}")


@router.get("", response=Page[BackupOut])
def listed(
    request: HttpRequest, page: Query[PageQuery], instance: str = "", state: str = ""
) -> dict[str, Any]:
    rows = backup_list(user=asker(request))
    if instance:
        rows = rows.filter(instance=instance_get(user=asker(request), name=instance))
    if state:
        rows = rows.filter(state=_state(state))
    return page.of(rows)


@router.get("/{backup_id}", response=BackupOut)
def one(request: HttpRequest, backup_id: str) -> Backup:
    return backup_get(user=asker(request), backup_id=backup_id)


@router.get("/{backup_id}/verifications", response=Page[VerificationOut])
def verified(request: HttpRequest, backup_id: str, page: Query[PageQuery]) -> dict[str, Any]:
    backup = backup_get(user=asker(request), backup_id=backup_id)
    return page.of(backup.verifications.select_related("backup"))


@router.post("/{backup_id}/verifications", response={202: JobOut})
def verify(request: HttpRequest, backup_id: str, data: VerificationIn) -> Status[Job]:
    backup = backup_get(user=asker(request), backup_id=backup_id)
    return Status(202, verification_start(actor=asker(request), backup=backup, level=data.level))


@verifications.get("/{number}", response=VerificationOut)
def verification(request: HttpRequest, number: str) -> Verification:
    rows = verifications_visible(user=asker(request)).select_related("backup")
    found = rows.filter(pk=int(number)).first() if _NUMBER.fullmatch(number) else None
    if found is None:
        raise not_found("verification", number)
    return found


def _state(value: str) -> str:
    if value not in BackupState.values:
        raise InvalidInput("state", f"Expected the state to be one of {', '.join(BackupState.values)}.")
    return value
