"""How a run ends before it is complete: stopped at a safe point, or failed and what it did taken back.

The ending is written into its step first. A worker that dies while it takes back leaves it there, and the
next one goes on with the ending instead of the step.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from dataprotect.core import clock, steps
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError, LeaseLost
from dataprotect.engine import replace
from dataprotect.engine.replace_model import Origin
from dataprotect.ops.services.stop import stop_latch
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.services import run_clone, run_system
from restores.services.engine_requests import replace_request
from restores.services.request_state import request_move
from restores.services.restore_alert import restore_alert
from restores.services.rollback_run import point_use, undone_drop
from restores.services.run_holder import Holder
from restores.services.run_left import is_in_use, left, points_settle
from restores.services.run_record import step_failed
from restores.services.run_work import Work
from restores.services.stop_triggers import restore_failed
from restores.states import RestoreState, RollbackState, Scope, StepState

_TAKEN_BACK = ("swap", "watch", "rescue")
_BESIDE = ("load", "restore_files")
_STANDING = (
    RollbackState.READY, RollbackState.MAKING, RollbackState.ROLLING_BACK, RollbackState.FAILED,
)  # fmt: skip
_CANCELLED, _EMERGENCY = Cancelled().code, EmergencyStop("").code


def ending_of(step: RestoreStep) -> ForeseenError | None:
    """What ended the run in this step, when a worker died before it had said everything."""
    ended = step.evidence.get("ended")
    return ForeseenError(**ended) if step.state == StepState.FAILED and ended else None


def run_end(work: Work, step: RestoreStep, error: ForeseenError) -> None:
    """Safe to repeat. Afterwards the request says in which state every target is."""
    if step.state != StepState.FAILED:
        step_failed(work.context, step, error)
    steps.reached("restore.ending")
    if error.code in (_CANCELLED, _EMERGENCY):
        _stopped(work, step, error)
    else:
        _failed(work, step, error)


def _stopped(work: Work, step: RestoreStep, error: ForeseenError) -> None:
    """What was swapped stays and can be rolled back. In an emergency nothing is touched any more, but that a
    server that was stopped is not left down: what was loaded beside goes with the rollback points.
    """
    words = _put_right(work, error)[1]
    if error.code == _CANCELLED:
        _discard_staged(work)
        run_clone.drop(work)
    else:
        stop_latch()  # a stop that ended a restore outlives its file
    end_write(work.context, work.request, work.run, RestoreState.STOPPED, words)


def _failed(work: Work, step: RestoreStep, error: ForeseenError) -> None:
    if work.request.scope == Scope.SYSTEM:
        back, words = _put_right(work, error)
        _drop_at_once(work, error)
    else:
        back, words = _tried(error, lambda: _take_back(work, step, error))
    steps.reached("restore.taken_back")
    _discard_staged(work)
    run_clone.drop(work)
    points_settle(work.context, work.request, work.run)
    standing = work.run.rollback_points.filter(state__in=(RollbackState.READY, RollbackState.FAILED))
    state = RestoreState.FAILED
    if back:
        state = RestoreState.STOPPED if standing.exists() else RestoreState.ROLLED_BACK
    end_write(work.context, work.request, work.run, state, words)
    restore_failed(error.code)


def _put_right(work: Work, error: ForeseenError) -> tuple[bool, str]:
    """The server of a full system runs, the old one or one that was checked. A failing watch is no check."""
    if work.request.scope != Scope.SYSTEM:
        return False, error.message
    stopping = error.code in (_CANCELLED, _EMERGENCY)
    kinds = ("system_check",) if stopping else ("watch",)
    checked = work.run.steps.filter(kind__in=kinds, state=StepState.DONE).exists()
    why = f"Automatic: {error.message}"[:500]
    return _tried(error, lambda: run_system.put_right(work, why, checked=checked))


def _drop_at_once(work: Work, error: ForeseenError) -> None:
    """What was taken back because the disk is full does not wait for its deadline."""
    points = work.run.rollback_points.filter(state=RollbackState.USED)
    if error.code == "restore.disk_low" and (point := points.first()) is not None:
        undone_drop(work.context, work.request, point)


def _tried(error: ForeseenError, take_back: Callable[[], bool]) -> tuple[bool, str]:
    """Whether it was taken back, and what is said of the end."""
    try:
        return take_back(), error.message
    except LeaseLost:
        raise
    except ForeseenError as second:
        return False, f"{error.message} Rolling back did not succeed: {second.message}"


def _take_back(work: Work, step: RestoreStep, error: ForeseenError) -> bool:
    """What this step's database was swapped to, or rescued, is taken back at once. True when it was."""
    if step.kind not in _TAKEN_BACK:
        return False
    points = work.run.rollback_points.filter(database=step.database)
    if points.filter(used_at__isnull=False).exists():
        return True
    point = points.filter(state__in=_STANDING).first()
    if point is None:
        return False
    if point.state != RollbackState.ROLLING_BACK and not is_in_use(work.request, point):
        return False
    point_use(work.context, work.request, point, f"Automatic: {error.message}"[:500], automatic=True)
    if error.code == "restore.disk_low":
        undone_drop(work.context, work.request, point)
    return True


def _discard_staged(work: Work) -> None:
    """What was loaded and is not in use takes room and helps nobody. What cannot go now goes by the clock."""
    for step in work.run.steps.filter(kind__in=_BESIDE, evidence__has_key="origin"):
        try:
            staged_drop(work.request, step)
        except ForeseenError as error:
            work.context.note(
                f"What was loaded for {step.database or 'the server'} stays for now: {error.message}"
            )


def staged_drop(request: RestoreRequest, step: RestoreStep) -> None:
    """Of an ended run. Raises ForeseenError when it cannot be done now."""
    if step.kind == "restore_files":
        run_system.files_drop(request, step)
        return
    wanted, origin = replace_request(request, step.database), Origin(**step.evidence["origin"])
    if replace.standing(wanted, origin).place in ("staged", "loading"):
        replace.discard(wanted, origin, "staged")
    step.evidence = {**step.evidence, "staged_gone": True}
    RestoreStep.objects.filter(pk=step.pk).update(evidence=step.evidence)


def end_write(
    holder: Holder, request: RestoreRequest, run: RestoreRun, state: RestoreState, why: str
) -> None:
    """The request's end, how everything was left, and the alert that says so."""
    points_settle(holder, request, run)
    reason = f"{why} {left(request, run)}"[:1000]
    with transaction.atomic():
        holder.hold()
        now = clock.now()
        RestoreRun.objects.filter(pk=run.pk).update(ended_at=now)
        request_move(
            actor=holder.actor, request=request, to=state, ended_at=now, ended_by=holder.actor,
            ended_reason=reason, data={"left": reason},
        )  # fmt: skip
        restore_alert(
            request=request, rule="restore_failed", severity="critical",
            title=f"The restore {request.restore_id} did not succeed: it is {state.label.lower()}.",
            detail=reason,
        )  # fmt: skip
