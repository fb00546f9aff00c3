"""The rows of a run: each write holds the job's lease, so that a worker that lost it writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.context import JobContext
from restores.models import RestoreRequest, RestoreStep
from restores.services.request_state import request_move
from restores.states import RestoreState, StepState

_STATE = {
    "clone_check": RestoreState.VALIDATING,
    "validate": RestoreState.VALIDATING,
    "system_check": RestoreState.VALIDATING,
    "watch": RestoreState.WATCHING,
}


def step_begin(context: JobContext, request: RestoreRequest, step: RestoreStep) -> None:
    """Running, for the first time or again after a worker was lost."""
    with transaction.atomic():
        context.hold()
        now = clock.now()
        RestoreStep.objects.filter(pk=step.pk).update(
            state=StepState.RUNNING, started_at=step.started_at or now, attempts=F("attempts") + 1, note=""
        )
        wanted = _STATE.get(step.kind, RestoreState.RUNNING)
        if request.state != wanted:
            request_move(actor=context.actor, request=request, to=wanted, data={"step": step.title})
    step.refresh_from_db()
    context.phase(step.title)
    context.note(step.title)


def step_done(
    context: JobContext, step: RestoreStep, note: str, evidence: Mapping[str, Any], size: int = 0
) -> None:
    _end(context, step, StepState.DONE, note, evidence, size)


def step_skipped(context: JobContext, step: RestoreStep, note: str) -> None:
    _end(context, step, StepState.SKIPPED, note, {}, 0)


def step_failed(context: JobContext, step: RestoreStep, error: ForeseenError) -> None:
    """With what ended it, so that another worker can end the run as this one would have."""
    ended = {"code": error.code, "message": error.message, "action": error.action}
    _end(context, step, StepState.FAILED, f"{error.message} {error.action}", {"ended": ended}, 0)


def step_keep(context: JobContext, step: RestoreStep, evidence: Mapping[str, Any]) -> None:
    """What the rest of the step, or another worker, needs; the step goes on."""
    with transaction.atomic():
        context.hold()
        step.evidence = {**step.evidence, **evidence}
        RestoreStep.objects.filter(pk=step.pk).update(evidence=step.evidence)


def _end(
    context: JobContext,
    step: RestoreStep,
    state: StepState,
    note: str,
    evidence: Mapping[str, Any],
    size: int,
) -> None:
    with transaction.atomic():
        context.hold()
        step.state, step.ended_at, step.note = state, clock.now(), note[:1000]
        step.evidence, step.bytes_done = {**step.evidence, **evidence}, size
        step.save(update_fields=["state", "ended_at", "note", "evidence", "bytes_done"])
    context.note(note)
