"""What the rescue says: progress on stderr, answers for people on stdout."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from dataprotect.core import stop_file
from dataprotect.core.errors import EmergencyStop
from dataprotect.core.wording import counted
from dataprotect.engine.timeline_show import told_gap, told_window
from dataprotect.rescue.arguments import Arguments

_EVERY = 5.0
_MARKS = {True: "ok", False: "FAILED", None: "not applicable"}


class Terminal:
    """A `Reporter` for a person at a terminal. The emergency stop is looked at before and at every safe
    point; with a reason it is passed by, and said.
    """

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._lock = threading.Lock()
        self._name, self._done, self._said = "", 0, 0.0
        self._total: int | None = None
        self.passed_by: str | None = None
        """Why the stop was active that was passed by."""
        if self.despite_emergency_stop:
            self.checkpoint()

    @property
    def despite_emergency_stop(self) -> str | None:
        return self._arguments.despite_emergency_stop

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        with self._lock:
            self._name, self._total, self._done, self._said = name, total_bytes, 0, time.monotonic()
        self.note(f"{name} …" if total_bytes is None else f"{name} … {_size(total_bytes)}")

    def advance(self, done_bytes: int) -> None:
        with self._lock:
            self._done += done_bytes
            if time.monotonic() - self._said < _EVERY:
                return
            self._said = time.monotonic()
        share = f" of {_size(self._total)}" if self._total else ""
        self.note(f"{self._name}: {_size(self._done)}{share}")

    def note(self, message: str) -> None:
        sys.stderr.write(message + "\n")

    def checkpoint(self) -> None:
        why = stop_file.reason(self._arguments.stop_file)
        if why is None:
            return
        if self.despite_emergency_stop is None:
            raise EmergencyStop(
                f"The emergency stop is active: {why}. "
                "In an emergency, --despite-emergency-stop REASON goes on all the same."
            )
        if self.passed_by is None:
            self.passed_by = why
            self.note(f"The emergency stop is active: {why}. Going on because: {self.despite_emergency_stop}")


def told(action: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer in lines for people."""
    if action == "list":
        yield from _listed(answer)
    elif action == "windows":
        for each in answer["instances"]:
            yield each["instance_id"]
            yield from (f"  {told_window(window)}" for window in each["windows"])
            yield from (f"  {told_gap(gap)}" for gap in each["gaps"])
    elif action == "verify":
        for check in answer["checks"]:
            detail = "" if check["passed"] else f": expected {check['expected']}, found {check['found']}"
            yield f"{_MARKS[check['passed']]:>14}  {check['name']}{detail}"
        yield f"The verification {'passed' if answer['passed'] else 'failed'} after {answer['seconds']} s."
    else:
        yield f"Restored {answer['files']} files, {_size(answer['bytes'])}, into {answer['data_directory']}."
        yield from answer["notes"]


def _listed(answer: Mapping[str, Any]) -> Iterator[str]:
    for each in answer["backups"]:
        yield (
            f"{each['started_at']}  {each['backup_id']}  {each['type']}  {each['instance_id']}  "
            f"PostgreSQL {each['server_version']}  {_size(each['bytes'])} "
            f"({_size(each['bytes_stored'])} stored)"
        )
    for finding in answer["damaged"]:
        yield f"DAMAGED  {finding}"
    yield f"{counted(len(answer['backups']), 'backup')}."


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
