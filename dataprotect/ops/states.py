"""The states of a job, and the only steps between them.

    queued ──► running ──► succeeded     the task returned
      │          │ ▲ │ ──► failed        a foreseen failure: code, message, what to do
      │          └─┘ │ ──► errored       our bug: a reference into the log
      │       taken  └───► cancelled     a person asked
      │        over
      ├──────────────────► cancelled     before anybody started it
      └──────────────────► failed        the command that was to run it died before it began

`running → running` is a take-over: the lease ran out and another worker claims the job with a higher fencing
number. The last four states are terminal and refuse everything.
"""

from __future__ import annotations

QUEUED, RUNNING = "queued", "running"
SUCCEEDED, FAILED, ERRORED, CANCELLED = "succeeded", "failed", "errored", "cancelled"

TRANSITIONS: dict[str, frozenset[str]] = {
    QUEUED: frozenset({RUNNING, CANCELLED, FAILED}),
    RUNNING: frozenset({RUNNING, SUCCEEDED, FAILED, ERRORED, CANCELLED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
    ERRORED: frozenset(),
    CANCELLED: frozenset(),
}
STATES = tuple(TRANSITIONS)
TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
ACTIVE = frozenset(STATES) - TERMINAL


class IllegalTransition(Exception):
    """A bug of ours: somebody asked for a step that the table does not have."""


def require(old: str, new: str) -> None:
    """Raises IllegalTransition unless `old → new` is in the table."""
    if new not in TRANSITIONS[old]:
        raise IllegalTransition(f"a job never goes from {old} to {new}")
