"""Legal holds and expiries, as pages and commands show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from catalog.models import Backup, ChangeRequest, Expiry, Instance, LegalHold
from catalog.models.retention import ACTIVE
from catalog.selectors.visible import Viewer, instances_visible, may, not_found, sees_every_instance
from catalog.states import GONE_BACKUP, ChangeState
from dataprotect.core import clock


@dataclass(frozen=True, slots=True)
class HoldDetail:
    hold: LegalHold
    is_active: bool
    covered: list[Backup]
    """What it keeps now, newest first: the backup and its parents, or all of the instance."""
    requests: list[ChangeRequest]
    """Requests to lift it, newest first."""
    may_lift: bool
    """May ask for it to be lifted; whoever approves that is another person."""

    @property
    def bytes_covered(self) -> int:
        return sum(backup.bytes_stored for backup in self.covered)

    @property
    def waiting(self) -> ChangeRequest | None:
        return next((row for row in self.requests if row.state == ChangeState.AWAITING), None)


def active_holds(at: datetime) -> Q:
    """Neither lifted nor over."""
    return Q(lifted_at=None) & (Q(until=None) | Q(until__gt=at))


def hold_list(*, user: Viewer, active: bool | None = None) -> QuerySet[LegalHold]:
    """Newest first; `active` True or False leaves out the others."""
    found = LegalHold.objects.select_related("instance", "backup")
    if not sees_every_instance(user=user):
        found = found.filter(instance__in=_visible(user))
    if active is not None:
        standing = active_holds(clock.now())
        found = found.filter(standing if active else ~standing)
    return found.order_by("-placed_at", "-pk")


def hold_get(*, user: Viewer, pk: int) -> LegalHold:
    """Raises ForeseenError `hold.not_found`."""
    found = hold_list(user=user).filter(pk=pk).first()
    if found is None:
        raise not_found("hold", str(pk))
    return found


def hold_detail(*, user: Viewer, pk: int) -> HoldDetail:
    """Raises ForeseenError `hold.not_found`."""
    hold = hold_get(user=user, pk=pk)
    return HoldDetail(
        hold=hold,
        is_active=hold.is_active(clock.now()),
        covered=_covered(hold),
        requests=list(hold.change_requests.order_by("-requested_at")[:20]),
        may_lift=may(user=user, permission="catalog.add_changerequest"),
    )


def holds_of_backup(*, backup: Backup) -> list[LegalHold]:
    """The active holds that name it or its whole instance; one on a dependent covers it as a parent."""
    here = Q(backup=backup) | Q(backup=None, instance_id=backup.instance_id)
    return list(LegalHold.objects.filter(here & active_holds(clock.now())).order_by("placed_at"))


def expiry_list(*, user: Viewer, active: bool | None = None) -> QuerySet[Expiry]:
    """Newest first; `active` True: only what waits for its deletion or is being deleted."""
    found = Expiry.objects.select_related("backup__instance", "backup__repository", "requested")
    if not sees_every_instance(user=user):
        found = found.filter(backup__instance__in=_visible(user))
    if active is not None:
        found = found.filter(state__in=ACTIVE) if active else found.exclude(state__in=ACTIVE)
    return found.order_by("-placed_at", "-pk")


def expiry_of(*, backup: Backup) -> Expiry | None:
    """The latest tombstone: the one that waits, or how the backup went."""
    return backup.expiries.select_related("requested").order_by("-placed_at", "-pk").first()


def _visible(user: Viewer) -> QuerySet[Instance, int]:
    return instances_visible(user=user).order_by().values_list("pk", flat=True)


def _covered(hold: LegalHold) -> list[Backup]:
    if hold.backup_id is None:
        there = Backup.objects.filter(instance=hold.instance).exclude(state__in=GONE_BACKUP)
        return list(there.select_related("instance").order_by("-stopped_at"))
    found, frontier = {hold.backup_id}, {hold.backup_id}
    while frontier:
        parents = Backup.objects.filter(dependents__in=frontier).values_list("pk", flat=True)
        frontier = set(parents) - found
        found |= frontier
    return list(Backup.objects.filter(pk__in=found).select_related("instance").order_by("-stopped_at"))
