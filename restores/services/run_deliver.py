"""The end of a run: the message people wait for, and the times it is made of."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from dataprotect.core import clock
from restores.models import RestoreStep
from restores.selectors.approvals import unsigned
from restores.services.restore_alert import restore_alert
from restores.services.run_record import step_done
from restores.services.run_work import Work
from restores.states import Scope, StepState

_PARTS = {
    "transfer": ("clone", "restore_files"), "load": ("load", "compare", "rescue"),
    "checks": ("clone_check", "validate", "system_check"),
    "swap": ("swap", "exchange", "stop_server", "start_server"),
}  # fmt: skip
_IN_USE = {
    Scope.TEST: "clone_check", Scope.TABLE: "rescue", Scope.DATABASE: "swap", Scope.DATABASES: "swap",
    Scope.SYSTEM: "system_check",
}  # fmt: skip


def deliver(work: Work, step: RestoreStep) -> None:
    request, run = work.request, work.run
    rto, parts = _rto(work)
    rpo = _rpo(work)
    message = _message(work, rto, rpo)
    with transaction.atomic():
        work.context.hold()
        run.rto_seconds, run.rto_parts, run.rpo_seconds, run.message = rto, parts, rpo, message
        run.save(update_fields=["rto_seconds", "rto_parts", "rpo_seconds", "message"])
    if request.scope != Scope.TEST:
        restore_alert(
            request=request, rule="restore_delivered", severity="info", title=message[:200], detail=message
        )
    step_done(work.context, step, message, {"rto_seconds": rto, "rpo_seconds": rpo, "rto_parts": parts})


def _rto(work: Work) -> tuple[float, dict[str, float]]:
    """From the declaration to validated use, and its parts in seconds."""
    request, run = work.request, work.run
    done = list(run.steps.filter(state=StepState.DONE).order_by("position"))
    ends = [each.ended_at for each in done if each.kind == _IN_USE[Scope(request.scope)] and each.ended_at]
    end = max(ends, default=clock.now())
    parts = {
        "approval": _between(request.submitted_at, request.approved_at),
        "start": _between(request.approved_at, run.started_at),
        "queue": _between(run.started_at, done[0].started_at if done else None),
    }
    for name, kinds in _PARTS.items():
        parts[name] = sum(_between(each.started_at, each.ended_at) for each in done if each.kind in kinds)
    timings = work.evidence("clone").get("timings", {})
    parts["replay"] = float(timings.get("recovery", 0.0))
    parts["transfer"] = max(0.0, parts["transfer"] - parts["replay"])
    return _between(request.declared_at, end), {name: round(value, 3) for name, value in parts.items()}


def _between(start: datetime | None, end: datetime | None) -> float:
    return max(0.0, (end - start).total_seconds()) if start and end else 0.0


def _rpo(work: Work) -> float | None:
    """Requested less recovered time. A clone that reached its instant lacks nothing committed before it."""
    request = work.request
    wanted = (request.recovery_target or {}).get("time")
    if wanted is not None:
        return 0.0
    recovered = clock.parse_iso(request.plan["recovers_to"])
    return _between(recovered, request.declared_at)


def _message(work: Work, rto: float, rpo: float | None) -> str:
    request, tier = work.request, work.request.instance.tier
    what = {
        Scope.TEST: f"A test restore of {request.instance.name}",
        Scope.TABLE: ", ".join(".".join(each) for each in request.tables),
        Scope.DATABASE: "".join(request.databases),
        Scope.DATABASES: ", ".join(request.databases),
        Scope.SYSTEM: request.instance.name,
    }[Scope(request.scope)]
    where = f" on {request.target_instance.name}" if request.target_instance else " on an isolated clone"
    checked = sum(len(each.evidence.get("checks", ())) for each in work.run.steps.all())
    said = f"Restored {what}{where} as of {request.plan['recovers_to']}; verified by {checked} checks."
    if rpo is not None:
        targets = f"{_words(tier.rpo_seconds)} and {_words(tier.rto_seconds)}"
        said += f" RPO {_words(rpo)} and RTO {_words(rto)} against {targets}."
    exception = unsigned(request)
    return f"{said} {exception}." if exception else said


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
