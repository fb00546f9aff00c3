"""Starting what was approved: once, in time, and only while everything that was promised still holds."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from catalog.services.access import Actor, came_by_token, require
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import actor_name
from dataprotect.ops.step_up import require_fresh
from dataprotect.ops.stop import refuse_while_stopped
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.services.approval_rules import require_steady_clock
from restores.services.approvals_stand import approvals_stand
from restores.services.request_state import request_move
from restores.services.safeguards import refuse_failed, safeguards_check
from restores.states import RestoreState, Scope

RUN = "restores.tasks.run_restore"


def restore_start(*, actor: Actor, request: RestoreRequest, fresh_at: datetime | None = None) -> Job:
    """The job that runs it. Single use: a request has one run.

    Raises `restore.not_approved`, `access.denied`, `access.step_up`, `approval.missing`,
    `approval.expired`, `approval.plan_changed`, `restore.safeguard`, `restore.too_early`, `stop.active`,
    `clock.behind`.
    """
    refuse_while_stopped()
    require_steady_clock()
    target = request.affected
    require(actor=actor, permission="catalog.restore_instance", instance=target)
    if request.scope != Scope.TEST:
        _by_a_person(actor, fresh_at)
    with transaction.atomic():
        row = (
            RestoreRequest.objects.select_for_update(of=("self",))
            .select_related("instance", "target_instance", "backup", "policy")
            .get(pk=request.pk)
        )
        _check(row)
        job = queue.enqueue(
            RUN, arguments={"request_pk": row.pk, "backup_id": row.plan["backup"]["backup_id"]}, actor=actor,
            subject=row.instance.subject,  # expiry leaves alone what a job of this instance, or backup, reads
            title=f"Restore {row.restore_id}: {row.get_scope_display()}"[:200],
            exclusive=target.restoring_key if row.scope != Scope.TEST else "",
        )  # fmt: skip
        _begin(actor, row, job)
    request.state = row.state
    return job


def _by_a_person(actor: Actor, fresh_at: datetime | None) -> None:
    """At the machine's terminal whoever has the shell is who they are; a token never starts anything."""
    if isinstance(actor, User):
        if came_by_token(actor):
            raise ForeseenError(
                "restore.not_a_person", "A token may ask for a restore, and never starts one.",
                "Start it in the dashboard.",
            )  # fmt: skip
        require_fresh(fresh_at=fresh_at)


def _check(row: RestoreRequest) -> None:
    if row.state != RestoreState.APPROVED:
        raise ForeseenError(
            "restore.not_approved",
            f"The restore {row.restore_id} is {row.get_state_display().lower()}: it cannot be started.",
            "Only what is approved and was not started yet can be.",
        )
    approvals_stand(request=row)
    refuse_failed(safeguards_check(request=row))
    if row.scope not in (Scope.TEST, Scope.TABLE) and row.window_start and clock.now() < row.window_start:
        raise ForeseenError(
            "restore.too_early",
            f"The downtime window begins at {clock.iso(row.window_start)}.",
            "Start it then.",
        )


def _begin(actor: Actor, row: RestoreRequest, job: Job) -> None:
    now = clock.now()
    run = RestoreRun.objects.create(
        request=row, job=job, expected_seconds=row.plan["expected_seconds"], started_at=now
    )
    RestoreStep.objects.bulk_create(
        RestoreStep(
            run=run, position=position, kind=step["kind"], title=step["title"], database=step["database"],
            expected_seconds=step["expected_seconds"],
        )
        for position, step in enumerate(row.plan["steps"], start=1)
    )  # fmt: skip
    request_move(
        actor=actor, request=row, to=RestoreState.RUNNING, started_at=now, started_by=actor_name(actor),
        data={"plan": row.plan_hash, "job": str(job.pk)},
    )  # fmt: skip
