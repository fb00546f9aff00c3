"""The engine's own look at the emergency stop, whoever calls it: before a restore, and at its safe points."""

from __future__ import annotations

from dataprotect.core import stop_file
from dataprotect.core.progress import Reporter, Silent


class Watchful:
    """A `Reporter` that looks for the stop's file before it asks the one it wraps."""

    def __init__(self, wrapped: Reporter) -> None:
        self._wrapped = wrapped
        self._file = stop_file.place()

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self._wrapped.phase(name, total_bytes)

    def advance(self, done_bytes: int) -> None:
        self._wrapped.advance(done_bytes)

    def note(self, message: str) -> None:
        self._wrapped.note(message)

    def checkpoint(self) -> None:
        if why := stop_file.reason(self._file):
            raise stop_file.stopped(why)
        self._wrapped.checkpoint()


def watchful(reporter: Reporter | None) -> Reporter:
    """What a restore reports to; raises EmergencyStop at once while the stop is active.

    Only a reporter with a reason in `despite_emergency_stop` goes on all the same: that of the rescue, for
    whose reason a person was asked. What takes a restore back is never kept from it by the stop.
    """
    wrapped = reporter or Silent()
    if getattr(wrapped, "despite_emergency_stop", None):
        return wrapped
    found = Watchful(wrapped)
    found.checkpoint()
    return found
