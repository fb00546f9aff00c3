"""How full each repository is, once an hour, for the forecast."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Max, Q
from django.db.models.functions import TruncDate

from catalog.models import Repository, RepositoryUsage
from catalog.services.opening import repository_open
from catalog.states import RepositoryState
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError

KEEP_ALL_FOR = timedelta(days=7)
KEEP_DAILY_FOR = timedelta(days=400)
log = logging.getLogger(__name__)


def usage_sample() -> int:
    """A sample of every repository in use. One that cannot be asked gets none: its check says why."""
    rows = Repository.objects.exclude(state=RepositoryState.UNREACHABLE)
    taken = sum(_sample(row) for row in rows)
    _thin()
    return taken


def _sample(row: Repository) -> bool:
    try:
        free = repository_open(row).free_bytes()
    except ForeseenError as error:
        log.warning("no sample of the repository %s: %s", row.name, error.code)
        return False
    Repository.objects.filter(pk=row.pk).update(free_bytes=free)
    RepositoryUsage.objects.create(
        repository=row, at=clock.now(), stored_bytes=row.stored_bytes, free_bytes=free
    )
    return True


def _thin() -> None:
    """After a week the last sample of each day is enough; after thirteen months none."""
    now = clock.now()
    old = RepositoryUsage.objects.filter(at__lt=now - KEEP_ALL_FOR)
    last_of_day = (
        old.annotate(day=TruncDate("at")).order_by().values("repository", "day").annotate(last=Max("at"))
    )
    keep = Q(at__in=last_of_day.values("last"))
    old.exclude(keep & Q(at__gte=now - KEEP_DAILY_FOR)).delete()
