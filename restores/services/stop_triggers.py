"""When the emergency stop raises itself: the audit chain is broken, or one restore after the other is not
valid. A person decides to lift it.
"""

from __future__ import annotations

from dataprotect.ops.services.stop import stop_raise
from restores.models import RestoreRequest
from restores.states import RestoreState

IN_A_ROW = 3
_BAD = (RestoreState.FAILED, RestoreState.ROLLED_BACK, RestoreState.STOPPED)


def restore_failed_validation() -> None:
    """The newest ones ended badly, and one after the other: something is wrong with more than one restore."""
    newest = list(
        RestoreRequest.objects.filter(ended_at__isnull=False, run__isnull=False)
        .order_by("-ended_at")
        .values_list("state", flat=True)[:IN_A_ROW]
    )
    if len(newest) == IN_A_ROW and all(state in _BAD for state in newest):
        stop_raise(
            actor="system",
            reason=f"The last {IN_A_ROW} restores failed their validation one after the other.",
        )
