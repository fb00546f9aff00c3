"""Asking for an expiry run: what is no longer kept gets its tombstone, what waited long enough goes."""

from __future__ import annotations

from catalog.models import Repository
from catalog.services.access import Actor, require
from catalog.services.change_request import change_lapse
from catalog.states import RepositoryState
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue
from dataprotect.ops.models import Job

TASK = "catalog.tasks.run_expiry"


def expiry_exclusive(repository: Repository) -> str:
    """One run per repository at a time."""
    return f"repository:{repository.pk}:expiry"


def expiry_start(*, actor: Actor, repository: Repository, wait: bool = True) -> Job:
    """Raises `access.denied`, and with `wait` False `job.busy`."""
    require(actor=actor, permission="catalog.expire_repository")
    return queue.enqueue(
        TASK,
        arguments={"repository_id": repository.pk},
        actor=actor,
        subject=f"repository:{repository.pk}",
        title=f"Expire what is no longer kept in {repository.name}",
        exclusive=expiry_exclusive(repository),
        wait=wait,
    )


def expiry_start_all() -> int:
    """By the clock: one run for every repository that can be reached; how many were started."""
    change_lapse()
    started = 0
    for repository in Repository.objects.exclude(state=RepositoryState.UNREACHABLE).order_by("pk"):
        try:
            expiry_start(actor="system:clock", repository=repository, wait=False)
            started += 1
        except ForeseenError as error:
            if error.code != "job.busy":
                raise
    return started
