"""The words for what was brought back.

Clone::

    starting ──► ready ──► dropping ──► dropped
        │                      ▲
        └──────► failed ───────┘      (a failed one is swept like any other)
"""

from __future__ import annotations

from django.db.models import TextChoices


class CloneState(TextChoices):
    STARTING = "starting", "Starting"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    DROPPING = "dropping", "Being dropped"
    DROPPED = "dropped", "Dropped"


CLONE_TRANSITIONS: dict[CloneState, frozenset[CloneState]] = {
    CloneState.STARTING: frozenset({CloneState.READY, CloneState.FAILED}),
    CloneState.READY: frozenset({CloneState.DROPPING}),
    CloneState.FAILED: frozenset({CloneState.DROPPING}),
    CloneState.DROPPING: frozenset({CloneState.DROPPED}),
    CloneState.DROPPED: frozenset(),
}
