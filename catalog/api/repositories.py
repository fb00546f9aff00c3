"""/api/v1/repositories"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Status

from catalog.api.auth import asker
from catalog.api.shapes import JobOut, Page, PageQuery, RepositoryChange, RepositoryIn, RepositoryOut
from catalog.models import Repository
from catalog.selectors import repository_get, repository_list
from catalog.services import repository_add, repository_check_start
from catalog.services.repository_update import repository_update
from dataprotect.ops.models import Job

router = Router(tags=["repositories"])


@router.get("", response=Page[RepositoryOut])
def listed(request: HttpRequest, page: Query[PageQuery]) -> dict[str, Any]:
    return page.of(repository_list(user=asker(request)))


@router.post("", response={201: RepositoryOut})
def added(request: HttpRequest, data: RepositoryIn) -> Status[Repository]:
    row = repository_add(actor=asker(request), name=data.name, url=data.url, region=data.region)
    return Status(201, row)


@router.get("/{name}", response=RepositoryOut)
def one(request: HttpRequest, name: str) -> Repository:
    return repository_get(user=asker(request), name=name)


@router.patch("/{name}", response=RepositoryOut)
def changed(request: HttpRequest, name: str, data: RepositoryChange) -> Repository:
    """Limits and price; null takes a limit or the price away."""
    repository = repository_get(user=asker(request), name=name)
    changes = data.dict(exclude_unset=True)
    return repository_update(actor=asker(request), repository=repository, **changes)


@router.post("/{name}/check", response={202: JobOut})
def checked(request: HttpRequest, name: str) -> Status[Job]:
    repository = repository_get(user=asker(request), name=name)
    return Status(202, repository_check_start(actor=asker(request), repository=repository))
