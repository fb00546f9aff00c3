"""The words for what was brought back.

Clone::

    ready ──► dropping ──► dropped
      │          ▲
      └─► lost ──┘         (its server or its files are gone, and nobody dropped it)
"""

from __future__ import annotations

from django.db.models import TextChoices


class CloneState(TextChoices):
    READY = "ready", "Ready"
    LOST = "lost", "Lost"
    DROPPING = "dropping", "Being dropped"
    DROPPED = "dropped", "Dropped"


CLONE_TRANSITIONS: dict[CloneState, frozenset[CloneState]] = {
    CloneState.READY: frozenset({CloneState.DROPPING, CloneState.LOST}),
    CloneState.LOST: frozenset({CloneState.DROPPING}),
    CloneState.DROPPING: frozenset({CloneState.DROPPED}),
    CloneState.DROPPED: frozenset(),
}
ALIVE = frozenset({CloneState.READY, CloneState.LOST, CloneState.DROPPING})
