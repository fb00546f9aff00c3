"""Restore requests as pages and the API show them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from catalog.models import Instance, InstanceDatabase
from catalog.roles import BREAK_GLASS
from catalog.selectors.roles import counting_roles
from catalog.selectors.visible import (
    Viewer,
    can_exist,
    instances_allowing,
    instances_visible,
    may,
    not_found,
    sees_every_instance,
)
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import states
from dataprotect.ops.models import Job
from dataprotect.ops.selectors import active_jobs_of
from restores.models import (
    Approval,
    BreakGlassUse,
    RestoreRequest,
    RestoreRun,
    RestoreStep,
    RollbackPoint,
    Safeguard,
)
from restores.selectors.approvals import role_to_sign, roles_missing, signatures
from restores.selectors.run_progress import RunProgress, run_progress
from restores.selectors.validated import Proof, validated
from restores.states import ACTIVE, OPEN, RestoreState, RollbackState

_USABLE = (RollbackState.READY, RollbackState.FAILED)


def request_list(*, user: Viewer) -> QuerySet[RestoreRequest]:
    """Newest first, as far as the asker may see the instance it comes from, or the one it changes."""
    rows = RestoreRequest.objects.select_related("instance", "target_instance", "backup", "run")
    if sees_every_instance(user=user):
        return rows
    visible = instances_visible(user=user).order_by().values("pk")
    return rows.filter(Q(instance__in=visible) | Q(target_instance__in=visible))


def database_sizes(*, instance: Instance) -> dict[str, int]:
    """Bytes of each database the instance was ever seen to have; its backups hold no others."""
    return dict(InstanceDatabase.objects.filter(instance=instance).values_list("name", "size_bytes"))


def unseen(request: RestoreRequest, sizes: Collection[str]) -> list[str]:
    """Databases of the request that are not among those."""
    return [name for name in request.databases if name not in sizes]


def request_get(*, user: Viewer, restore_id: str) -> RestoreRequest:
    """Raises ForeseenError `restore.not_found`."""
    rows = request_list(user=user).select_related("instance__tier", "requested_by", "policy")
    found = rows.filter(restore_id=restore_id).first() if can_exist(restore_id) else None
    if found is None:
        raise not_found("restore", restore_id)
    return found


def instances_restorable(*, user: User) -> QuerySet[Instance]:
    """Those the asker may restore from and onto. Raises ForeseenError `access.denied` when there are none."""
    if may(user=user, permission="catalog.restore_instance"):
        return instances_visible(user=user)
    found = instances_allowing(user=user, permission="catalog.restore_instance")
    if not found.exists():
        raise ForeseenError(
            "access.denied", "You may not restore any instance.", "Ask a DBA Lead for the right to do it."
        )
    return found


@dataclass(frozen=True, slots=True)
class RequestDetail:
    """Everything the page of one restore says, and what the asker may do now."""

    row: RestoreRequest
    run: RestoreRun | None
    job: Job | None
    progress: RunProgress | None
    points: list[RollbackPoint]
    safeguards: list[Safeguard]
    signed: list[Approval]
    missing: tuple[str, ...]
    role: str | None
    """In which the asker could sign now."""
    may_restore: bool
    sees_rows: bool
    """The backup's rows beside the live ones: of both instances one must be allowed to restore."""
    may_break: bool
    may_review: bool
    """What was done without the signatures: neither who did it nor who asked for it may."""
    is_review_late: bool
    may_start: bool
    may_edit: bool
    may_roll_back: bool
    is_rolling_back: bool
    """Asked for by a person, and not over."""

    @property
    def is_active(self) -> bool:
        return self.row.state in ACTIVE

    @property
    def is_followed(self) -> bool:
        """Its page asks what is new."""
        return self.is_active or self.is_rolling_back

    @property
    def standing(self) -> str:
        """Changes whenever a person can do something else with it, or knows something else about it."""
        if self.is_rolling_back:
            return RollbackState.ROLLING_BACK
        return f"{self.row.state}.{self.current.position}" if self.current else self.row.state

    @property
    def current(self) -> RestoreStep | None:
        if self.progress is None or not self.is_active or self.waits_for_worker:
            return None
        step = self.progress.current
        return step.row if step is not None else None

    @property
    def waits_for_worker(self) -> bool:
        """At its start, or again after a worker was lost."""
        return self.job is not None and self.job.state == states.QUEUED

    @property
    def may_cancel(self) -> bool:
        """Before it runs; or once while it runs: it stops at its next safe point."""
        asked = self.job is not None and self.job.cancel_requested_at is not None
        return self.may_edit or (self.is_active and self.may_restore and not asked)

    @property
    def usable(self) -> list[RollbackPoint]:
        """What a person can still roll back."""
        return [point for point in self.points if point.state in _USABLE]

    @property
    def back_seconds(self) -> float | None:
        """Of everything that can be rolled back, one after another; None where nobody knows."""
        known = [point.expected_seconds for point in self.usable if point.expected_seconds is not None]
        return sum(known) if len(known) == len(self.usable) else None

    @property
    def back_until(self) -> datetime | None:
        """The first deadline: after it, not everything can be rolled back any more."""
        return min((point.keep_until for point in self.usable if point.keep_until), default=None)

    @property
    def proofs(self) -> list[Proof]:
        """What was validated, once it is over."""
        steps = self.progress.steps if self.progress is not None and not self.is_active else []
        return validated(steps=[step.row for step in steps], points=self.points)


def request_detail(*, user: User, restore_id: str, now: datetime) -> RequestDetail:
    """Raises ForeseenError `restore.not_found`."""
    row = request_get(user=user, restore_id=restore_id)
    run = RestoreRun.objects.filter(request=row).select_related("job", "clone").first()
    target = row.affected
    may_restore = may(user=user, permission="catalog.restore_instance", instance=target)
    points = list(run.rollback_points.order_by("pk")) if run is not None else []
    usable = any(point.state in _USABLE for point in points)
    rolling_back = bool(points) and row.state not in ACTIVE and _is_rolling_back(row)
    unreviewed = BreakGlassUse.objects.filter(request=row, reviewed_at=None).first()
    return RequestDetail(
        row=row,
        run=run,
        job=run.job if run is not None else None,
        progress=run_progress(request=row, run=run, now=now) if run is not None else None,
        points=points,
        safeguards=list(row.safeguards.filter(plan_hash=row.plan_hash)),
        signed=list(signatures(row)),
        missing=roles_missing(row),
        role=role_to_sign(user=user, request=row, at=now),
        may_restore=may_restore,
        sees_rows=may_restore
        and may(user=user, permission="catalog.restore_instance", instance=row.instance),
        may_break=row.state == RestoreState.AWAITING and may_restore and _breaks_glass(user, now),
        may_review=unreviewed is not None and _may_review(user, unreviewed),
        is_review_late=unreviewed is not None and unreviewed.review_due_at < now,
        may_start=row.state == RestoreState.APPROVED and may_restore,
        may_edit=row.state in OPEN and (may_restore or row.requested_by_id == user.pk),
        may_roll_back=usable and row.state not in ACTIVE and may_restore and not rolling_back,
        is_rolling_back=rolling_back,
    )


def _is_rolling_back(row: RestoreRequest) -> bool:
    jobs = active_jobs_of(row.instance.subject)
    return jobs.filter(kind="run_rollback", arguments__request_pk=row.pk).exists()


def _breaks_glass(user: User, now: datetime) -> bool:
    return BREAK_GLASS in counting_roles(user=user, at=now)


def _may_review(user: User, use: BreakGlassUse) -> bool:
    another = user.pk not in (use.user_id, use.request.requested_by_id)
    return another and user.has_perm("restores.review_breakglass")
