"""Commands that do a job here and now: through the same services and the same job rows as the queue."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

from catalog.services.access import terminal_operator
from catalog.services.job_cancel import job_cancel
from dataprotect.core.errors import Cancelled
from dataprotect.ops import queue
from dataprotect.ops.management.answering import AnsweringCommand
from dataprotect.ops.models import Job

_REDRAW_SECONDS = 0.5


class CatalogCommand(AnsweringCommand):
    """A command of the catalog; `actor` is whoever runs it."""

    requires_system_checks = []

    @property
    def actor(self) -> str:
        return terminal_operator()


class JobCommand(CatalogCommand):
    """A command whose work is a job. Ctrl-C ends it at its next safe point, a second one at once."""

    def run(self, start: Callable[[], Job]) -> Any:
        """What the job returned. Raises its failure as the ForeseenError it was."""
        terminal = Terminal(sys.stderr)
        with queue.foreground():
            job = start()
        with terminal.watching_signals():
            try:
                ended = queue.run_now(job, listener=terminal)
            except KeyboardInterrupt:
                ended = self._interrupted(job)
        terminal.end()
        return queue.result_of(ended)

    def _interrupted(self, job: Job) -> Job:
        """It was still waiting for its turn, or the second Ctrl-C came."""
        job.refresh_from_db()
        if not job.is_terminal:
            job_cancel(actor=self.actor, job=job)
            job.refresh_from_db()
        return job


class Terminal:
    """A `core.progress.Reporter` for the person in front: one line drawn again, on a terminal only."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._live = out, out.isatty()
        self._lock = threading.Lock()
        self._phase, self._done, self._total = "", 0, 0
        self._began = self._drawn = 0.0
        self._running = self._asked_to_end = False

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self._running = True
        with self._lock:
            self._newline()
            self._phase, self._done, self._total = name, 0, total_bytes or 0
            self._began, self._drawn = time.monotonic(), 0.0
            self._draw()

    def advance(self, done_bytes: int) -> None:
        with self._lock:
            self._done += done_bytes
            if time.monotonic() - self._drawn >= _REDRAW_SECONDS:
                self._draw()

    def note(self, message: str) -> None:
        with self._lock:
            if self._live:
                self._out.write(f"\r\x1b[K{message}\n")
            self._draw()

    def checkpoint(self) -> None:
        if self._asked_to_end:
            raise Cancelled("The work was cancelled at the terminal.")

    def end(self) -> None:
        with self._lock:
            self._newline()

    @contextmanager
    def watching_signals(self) -> Iterator[None]:
        """Only the main thread may; elsewhere (a test) signals stay as they are."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked_to_end or not self._running:
            raise KeyboardInterrupt
        self._asked_to_end = True
        # No lock here: the thread that was interrupted may hold it.
        self._out.write("\nEnding at the next safe point; again to end at once.\n")

    def _draw(self) -> None:
        if not self._live or not self._phase:
            return
        self._drawn = time.monotonic()
        self._out.write(f"\r\x1b[K{self._line()}")
        self._out.flush()

    def _line(self) -> str:
        words = self._phase.capitalize()
        if not self._done:
            return f"{words} …"
        rate = self._done / max(0.001, time.monotonic() - self._began)
        total = f" of {_size(self._total)}" if self._total else ""
        return f"{words}: {_size(self._done)}{total}, {_size(rate)}/s"

    def _newline(self) -> None:
        if self._live and self._phase:
            self._out.write("\n")
            self._phase = ""


def _size(count: float) -> str:
    """`1.2 GB`: powers of 1000, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
