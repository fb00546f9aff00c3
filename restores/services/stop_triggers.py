"""When a restore raises the emergency stop by itself: what it was to bring back is damaged in the repository,
or one restore after the other is not valid. A person decides to lift it.
"""

from __future__ import annotations

from dataprotect.ops.services.stop import stop_raise
from restores.models import RestoreRun, RestoreStep
from restores.states import RestoreState, StepState

IN_A_ROW = 3
VALIDATION = frozenset(
    {"restore.not_valid", "restore.unhealthy", "restore.rows_missing", "table_rescue.not_verified"}
)
CHAIN = frozenset({"storage.damaged", "storage.object_missing", "logs.missing"})
_LOOKED_AT = 20


def restore_failed(code: str) -> None:
    """Call it when the end of the run is written."""
    if code in CHAIN:
        stop_raise(
            actor="system",
            reason="The chain of backups a restore needs is not whole: see the alert about it.",
        )
    elif code in VALIDATION and _in_a_row() >= IN_A_ROW:
        stop_raise(
            actor="system",
            reason=f"The last {IN_A_ROW} restores failed their validation one after the other.",
        )


def _in_a_row() -> int:
    """Newest runs that were found invalid, until one that was valid. What was cancelled tells neither."""
    found = 0
    newest = RestoreRun.objects.filter(ended_at__isnull=False).select_related("request")
    for run in newest.order_by("-ended_at", "-pk")[:_LOOKED_AT]:
        if run.request.state == RestoreState.COMPLETED:
            break
        found += _code(run) in VALIDATION
    return found


def _code(run: RestoreRun) -> str:
    step = RestoreStep.objects.filter(run=run, state=StepState.FAILED).first()
    return str(step.evidence.get("ended", {}).get("code", "")) if step is not None else ""
