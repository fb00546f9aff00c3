"""Runs whose job is over while the request still says that it runs: the worker died once too often, the stop
was raised before another one took over, the job was cancelled in the queue. Nothing is changed on a server.
"""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import Q

from dataprotect.core import clock
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError
from dataprotect.ops import states
from dataprotect.ops.models import Job
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.services.request_state import request_move
from restores.services.rollback_run import RUN as ROLLBACK
from restores.services.rollback_run import rollback_failed
from restores.services.run_end import end_write
from restores.services.run_holder import Clock
from restores.services.run_left import left, points_settle
from restores.states import ACTIVE, RestoreState, RollbackState, StepState

_STOPPING = (Cancelled().code, EmergencyStop("").code)
log = logging.getLogger(__name__)


def runs_settle() -> int:
    """By the clock, once a minute. How many ended so."""
    over = Q(job=None) | Q(job__state__in=states.TERMINAL)
    rows = RestoreRun.objects.filter(over, request__state__in=ACTIVE).select_related("request", "job")
    return sum(_settle(run) for run in rows) + sum(_settle_rollback(row) for row in _half_rolled_back())


def _half_rolled_back() -> list[RestoreRequest]:
    """Requests whose rollback nobody works on any more."""
    rows = (
        RestoreRequest.objects.filter(run__rollback_points__state=RollbackState.ROLLING_BACK)
        .exclude(state__in=ACTIVE)
        .select_related("instance", "target_instance", "run")
        .distinct()
    )  # fmt: skip
    working = Job.objects.filter(task=ROLLBACK, state__in=states.ACTIVE)
    return [row for row in rows if not working.filter(arguments__request_pk=row.pk).exists()]


def _settle_rollback(request: RestoreRequest) -> bool:
    """Used, or failed and to be tried again; the request follows once nothing is left to take back."""
    points_settle(Clock(), request, request.run)
    left_over = request.run.rollback_points.exclude(state__in=(RollbackState.USED, RollbackState.GONE))
    if left_over.exists():
        rollback_failed(request, f"Its worker died. {left(request, request.run)} It can be tried again.")
        return not left_over.filter(state=RollbackState.ROLLING_BACK).exists()
    if request.state != RestoreState.ROLLED_BACK:
        with transaction.atomic():
            request_move(
                actor="system", request=request, to=RestoreState.ROLLED_BACK, ended_at=clock.now(),
                ended_by="system", ended_reason="The worker died while it rolled back; it is rolled back.",
            )  # fmt: skip
    return True


def _settle(run: RestoreRun) -> bool:
    request = (
        RestoreRequest.objects.select_related("instance", "target_instance").get(pk=run.request_id)
    )  # fmt: skip
    job = run.job
    why = (job.error_message if job is not None else "") or "The job of this restore is gone."
    stopped = job is not None and (job.state == states.CANCELLED or job.error_code in _STOPPING)
    _mark_steps(run, why)
    try:
        end_write(Clock(), request, run, RestoreState.STOPPED if stopped else RestoreState.FAILED, why)
    except ForeseenError as error:
        log.warning("restore %s is not settled: %s", request.restore_id, error)
        return False
    return True


def _mark_steps(run: RestoreRun, why: str) -> None:
    RestoreStep.objects.filter(run=run, state=StepState.RUNNING).update(
        state=StepState.FAILED, note=why[:1000]
    )
