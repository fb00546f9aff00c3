"""A run from its first step that is not done to its end, by whichever worker has it.

Between two steps lies a safe point. What goes wrong before a swap leaves the server untouched; after it the
swap is taken back. How things were left is said in the request's own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction

from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError, LeaseLost
from dataprotect.ops.context import JobContext
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.services import run_clone, run_database, run_deliver, run_system, run_tables, run_watch
from restores.services.request_state import request_move
from restores.services.run_end import ending_of, run_end
from restores.services.run_record import step_begin
from restores.services.run_work import Work
from restores.states import ACTIVE, RestoreState, StepState

STEPS: dict[str, Callable[[Work, RestoreStep], None]] = {
    "fresh_backup": run_clone.fresh_backup,
    "clone": run_clone.clone,
    "clone_check": run_clone.clone_check,
    "load": run_database.load,
    "validate": run_database.validate,
    "swap": run_database.swap,
    "compare": run_tables.compare,
    "rescue": run_tables.rescue,
    "restore_files": run_system.restore_files,
    "stop_server": run_system.stop_server,
    "exchange": run_system.exchange,
    "start_server": run_system.start_server,
    "system_check": run_system.system_check,
    "watch": run_watch.watch,
    "base_backup": run_clone.base_backup,
    "logs": run_clone.logs,
    "drop_clone": run_clone.drop_clone,
    "deliver": run_deliver.deliver,
}
_CHANGES_NOTHING_MORE = frozenset({"base_backup", "logs", "drop_clone", "deliver"})


def restore_run(*, context: JobContext, request_pk: int) -> dict[str, Any]:
    """Raises what ended it, after the request says in which state things were left."""
    request = (
        RestoreRequest.objects.select_related("instance__tier", "target_instance", "backup")
        .get(pk=request_pk)
    )  # fmt: skip
    run = RestoreRun.objects.select_related("clone__backup").get(request=request)
    work = Work(context, request, run)
    if request.state == RestoreState.COMPLETED:
        return _summary(work)
    if request.state not in ACTIVE:
        raise ForeseenError("restore.ended", request.ended_reason, "Submit it anew if it is still wanted.")
    for step in run.steps.exclude(state__in=(StepState.DONE, StepState.SKIPPED)).order_by("position"):
        _step(work, step)
    _completed(work)
    return _summary(work)


def _step(work: Work, step: RestoreStep) -> None:
    """From one safe point to the next. Raises what ends the run, after its end is written."""
    if ending := ending_of(step):
        run_end(work, step, ending)
        raise ending
    try:
        work.context.checkpoint()
        if step.kind not in _CHANGES_NOTHING_MORE:
            work.refuse_overlong()
        step_begin(work.context, work.request, step)
        STEPS[step.kind](work, step)
        steps.reached(f"restore.{step.kind}.recorded")
    except LeaseLost:
        raise  # the worker that has it now writes what there is to say
    except ForeseenError as error:
        run_end(work, step, error)
        raise
    except Exception as error:
        run_end(work, step, _unforeseen(step, error))
        raise


def _unforeseen(step: RestoreStep, error: Exception) -> ForeseenError:
    return ForeseenError(
        "restore.unforeseen", f"“{step.title}” ended with something unforeseen ({type(error).__name__}).",
        "The log of the job's worker has it whole.",
    )  # fmt: skip


def _completed(work: Work) -> None:
    with transaction.atomic():
        work.context.hold()
        now = clock.now()
        RestoreRun.objects.filter(pk=work.run.pk).update(ended_at=now)
        request_move(
            actor=work.context.actor, request=work.request, to=RestoreState.COMPLETED, ended_at=now,
            ended_by=work.context.actor, ended_reason=work.run.message[:1000],
        )  # fmt: skip


def _summary(work: Work) -> dict[str, Any]:
    run = RestoreRun.objects.get(pk=work.run.pk)
    return {
        "restore_id": work.request.restore_id,
        "state": work.request.state,
        "message": run.message,
        "rto_seconds": run.rto_seconds,
        "rpo_seconds": run.rpo_seconds,
    }
