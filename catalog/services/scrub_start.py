"""Asking for a share of a repository to be reread."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from catalog.models import Repository
from catalog.services.access import Actor, require
from catalog.states import RepositoryState
from dataprotect.core.errors import InvalidInput
from dataprotect.ops import queue, states
from dataprotect.ops.models import Job

TASK = "catalog.tasks.run_scrub"
RUNS_EVERY = timedelta(hours=6)
MARGIN = 1.2
"""A fifth faster than needed, so that a day without workers breaks no promise."""


def scrub_start(*, actor: Actor, repository: Repository, share: float | None = None) -> Job:
    """Queue rereading `share` (0-1] of what lies in the repository; None for the regular share.

    Raises `access.denied`, `input.share`.
    """
    require(actor=actor, permission="catalog.check_repository")
    wanted = regular_share() if share is None else share
    if not 0 < wanted <= 1:
        raise InvalidInput("share", "Expected a share above 0 and up to 1, such as 0.1.")
    return queue.enqueue(
        TASK,
        arguments={"repository_id": repository.pk, "share": wanted},
        actor=actor,
        subject=f"repository:{repository.pk}",
        title=f"Reread a share of the repository {repository.name}",
        exclusive=exclusive_key(repository),
    )


def scrub_start_all() -> int:
    """By the clock: the regular share of every repository that can be used and is not being reread."""
    started = 0
    for repository in Repository.objects.filter(state=RepositoryState.READY, backup_count__gt=0):
        busy = Job.objects.filter(exclusive=exclusive_key(repository), state__in=states.ACTIVE)
        if not busy.exists():
            scrub_start(actor="system:schedule", repository=repository)
            started += 1
    return started


def regular_share() -> float:
    """So much every six hours that everything is reread within SCRUB_DAYS."""
    return min(1.0, MARGIN * RUNS_EVERY / timedelta(days=settings.SCRUB_DAYS))


def exclusive_key(repository: Repository) -> str:
    return f"repository:{repository.pk}:scrub"
