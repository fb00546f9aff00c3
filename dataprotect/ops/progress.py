"""How far a job is, as numbers: told from any thread, read by the one that writes the row."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

_LONGEST_LINE = 2000
_MOST_LINES_WAITING = 1000
_RATE_NEEDS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What goes into the row: bytes, bytes a second, seconds."""

    phase: str
    done: int
    total: int | None
    rate: float | None
    eta: float | None


@dataclass(slots=True)
class Progress:
    """Thread-safe and cheap; `take` hands over what is new since the last time."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _name: str = ""
    _done: int = 0
    _total: int | None = None
    _began: float = field(default_factory=time.monotonic)
    _changed: bool = False
    _lines: list[str] = field(default_factory=list)

    def phase(self, name: str, total: int | None) -> None:
        with self._lock:
            self._name, self._done, self._total = name[:120], 0, total
            self._began, self._changed = time.monotonic(), True

    def advance(self, done: int) -> None:
        with self._lock:
            self._done += done
            self._changed = True

    def note(self, line: str) -> None:
        """Control characters become blanks, so that a hostile name cannot forge a second line."""
        clean = "".join(sign if sign.isprintable() else " " for sign in line)[:_LONGEST_LINE]
        with self._lock:
            if len(self._lines) < _MOST_LINES_WAITING:
                self._lines.append(clean)

    def take(self) -> tuple[Snapshot | None, list[str]]:
        """The numbers if they changed, and the lines not taken yet."""
        with self._lock:
            lines, self._lines = self._lines, []
            changed, self._changed = self._changed, False
            return (self._snapshot() if changed else None), lines

    def put_back(self, lines: list[str]) -> None:
        """What could not be written is tried again with the next write."""
        with self._lock:
            self._lines, self._changed = lines + self._lines, True

    def _snapshot(self) -> Snapshot:
        spent = time.monotonic() - self._began
        rate = self._done / spent if spent >= _RATE_NEEDS_SECONDS else None
        left = None if self._total is None else max(0, self._total - self._done)
        eta = left / rate if left is not None and rate else None
        return Snapshot(self._name, self._done, self._total, rate, eta)
