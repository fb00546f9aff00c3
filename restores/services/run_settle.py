"""Runs whose job is over while the request still says that it runs: the worker died once too often, the stop
was raised before another one took over, the job was cancelled in the queue. Nothing is changed on a server.
"""

from __future__ import annotations

import logging

from django.db.models import Q

from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError
from dataprotect.ops import states
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.services.run_end import end_write
from restores.services.run_holder import Clock
from restores.states import ACTIVE, RestoreState, StepState

_STOPPING = (Cancelled().code, EmergencyStop("").code)
log = logging.getLogger(__name__)


def runs_settle() -> int:
    """By the clock, once a minute. How many ended so."""
    over = Q(job=None) | Q(job__state__in=states.TERMINAL)
    rows = RestoreRun.objects.filter(over, request__state__in=ACTIVE).select_related("request", "job")
    return sum(_settle(run) for run in rows)


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
