"""/api/v1/jobs"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from catalog.api.auth import asker
from catalog.api.shapes import JobDetailOut, JobOut, Page, PageQuery
from catalog.selectors import job_get, job_list
from catalog.services import job_cancel
from dataprotect.core.errors import InvalidInput
from dataprotect.ops import states
from dataprotect.ops.models import Job
from dataprotect.ops.selectors import job_log

router = Router(tags=["jobs"])
_LINES = 500


@router.get("", response=Page[JobOut])
def listed(request: HttpRequest, page: Query[PageQuery], state: str = "") -> dict[str, Any]:
    rows = job_list(user=asker(request))
    if state:
        if state not in states.STATES:
            raise InvalidInput("state", f"Expected the state to be one of {', '.join(states.STATES)}.")
        rows = rows.filter(state=state)
    return page.of(rows)


@router.get("/{job_id}", response=JobDetailOut)
def one(request: HttpRequest, job_id: str, after: int = 0) -> Job:
    """With its progress, and the log's lines after the one with the id `after`, 500 at most."""
    job = job_get(user=asker(request), job_id=job_id)
    after = min(max(after, 0), (1 << 63) - 1)
    job.log = list(job_log(job.pk, after)[:_LINES])  # type: ignore[attr-defined]
    return job


@router.post("/{job_id}/cancel", response=JobOut)
def cancelled(request: HttpRequest, job_id: str) -> Job:
    return job_cancel(actor=asker(request), job=job_get(user=asker(request), job_id=job_id))
