"""How far a run is and how long it will still take: its steps, its job, and what was measured before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dataprotect.core import clock
from dataprotect.ops import states
from dataprotect.ops.models import Job
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.selectors.measured import measured_before, size_of, watch_seconds
from restores.spans import Measured, Span, span, total
from restores.states import StepState

_OVER = (StepState.DONE, StepState.SKIPPED, StepState.FAILED)


@dataclass(frozen=True, slots=True)
class StepProgress:
    """`seconds`: taken, or so far. Bytes and bytes a second are of the whole step once it is done, and of
    its phase (`phase`, in the engine's word) while it runs; None where nobody knows.
    """

    row: RestoreStep
    seconds: float | None
    expected: Span | None
    phase: str = ""
    bytes_done: int | None = None
    bytes_total: int | None = None
    rate: float | None = None

    @property
    def is_over(self) -> bool:
        return self.row.state in _OVER

    @property
    def is_overdue(self) -> bool:
        """It runs for longer than it ever took."""
        if self.expected is None or not self.expected.count or self.row.state != StepState.RUNNING:
            return False
        return (self.seconds or 0.0) > self.expected.high

    @property
    def left(self) -> Span | None:
        if self.expected is None or self.row.state != StepState.RUNNING:
            return self.expected
        return self.expected.after(self.seconds or 0.0)


@dataclass(frozen=True, slots=True)
class RunProgress:
    steps: list[StepProgress]
    seconds: float
    """Since it was started, waiting for a worker included; until it ended."""
    heartbeat_seconds: float | None
    """Age of the last sign of life of the worker."""
    is_silent: bool
    """The worker's lease has ended: another one takes the run over."""

    @property
    def current(self) -> StepProgress | None:
        return next((step for step in self.steps if step.row.state == StepState.RUNNING), None)

    @property
    def over(self) -> int:
        return sum(step.is_over for step in self.steps)

    @property
    def left(self) -> Span | None:
        """Until the end; None while a step is to come that was never measured."""
        return total(step.left for step in self.steps if not step.is_over)

    @property
    def unmeasured(self) -> int:
        return sum(step.expected is None for step in self.steps if not step.is_over)


def run_progress(*, request: RestoreRequest, run: RestoreRun, now: datetime) -> RunProgress:
    job, rows = run.job, list(run.steps.order_by("position"))
    open_steps = any(row.state not in _OVER for row in rows)
    measured = measured_before(request) if open_steps else {}
    watch = watch_seconds(request) if open_steps else 0.0
    beat = job.heartbeat_at if job is not None else None
    running = job is not None and job.state == states.RUNNING
    return RunProgress(
        seconds=((run.ended_at or now) - run.started_at).total_seconds(),
        steps=[_step(request, row, job, measured, watch, now) for row in rows],
        heartbeat_seconds=(now - beat).total_seconds() if beat is not None else None,
        is_silent=running and job is not None and job.lease_until is not None and job.lease_until < now,
    )


def _step(
    request: RestoreRequest, row: RestoreStep, job: Job | None, measured: dict[str, list[Measured]],
    watch: float, now: datetime,
) -> StepProgress:  # fmt: skip
    if row.state in _OVER:
        rate = row.bytes_done / row.seconds if row.bytes_done and row.seconds else None
        return StepProgress(row, row.seconds, None, bytes_done=row.bytes_done or None, rate=rate)
    expected = Span(watch, watch) if row.kind == "watch" else None
    if expected is None:
        expected = span(measured.get(row.kind, []), size_of(request, row))
    if row.state != StepState.RUNNING or row.started_at is None:
        return StepProgress(row, None, expected)
    so_far = max(0.0, (now - row.started_at).total_seconds())
    if job is None or job.state != states.RUNNING:
        return StepProgress(row, so_far, expected)
    return StepProgress(
        row, so_far, expected, phase="" if job.phase == row.title else job.phase,
        bytes_done=job.bytes_done or None, bytes_total=job.bytes_total, rate=job.rate,
    )  # fmt: skip


def progress_of(row: RestoreRequest) -> dict[str, Any]:
    """What a display of somebody else's polls: the figures of the page. Instants in UTC, seconds, bytes."""
    now = clock.now()
    run = RestoreRun.objects.select_related("job").filter(request=row).first()
    found = run_progress(request=row, run=run, now=now) if run is not None else None
    states_of = {step.row.kind: step.row.state for step in found.steps} if found is not None else {}
    checks = ("validate", "rescue", "system_check", "clone_check")
    left = found.left if found is not None and run is not None and run.ended_at is None else None
    return {
        "restore_id": row.restore_id,
        "status": row.state,
        "backups_verified": row.backup is not None and row.backup.is_good,
        "restore_tested": states_of.get("clone_check") == StepState.DONE,
        "integrity_check": next((states_of[kind] for kind in checks if kind in states_of), ""),
        "rpo_achieved": run.rpo_seconds if run is not None else None,
        "rto_achieved": run.rto_seconds if run is not None else None,
        "message": run.message if run is not None else "",
        "heartbeat_age_seconds": found.heartbeat_seconds if found is not None else None,
        "seconds_left": _plain_span(left),
        "steps": [_plain(step) for step in found.steps] if found is not None else [],
    }


def _plain(step: StepProgress) -> dict[str, Any]:
    row = step.row
    return {
        "position": row.position,
        "kind": row.kind,
        "title": row.title,
        "database": row.database,
        "state": row.state,
        "phase": step.phase,
        "started_at": clock.iso(row.started_at) if row.started_at else None,
        "ended_at": clock.iso(row.ended_at) if row.ended_at else None,
        "seconds": step.seconds,
        "bytes_done": step.bytes_done,
        "bytes_total": step.bytes_total,
        "bytes_per_second": step.rate,
        "expected_seconds": _plain_span(step.expected),
        "note": row.note,
    }


def _plain_span(found: Span | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"low": round(found.low, 3), "high": round(found.high, 3), "measurements": found.count}
