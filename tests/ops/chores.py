"""Tasks for the tests. They write a line per start into `diary`, so that a test can count executions."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.ops.context import JobContext


def _write(diary: str, line: str) -> None:
    with Path(diary).open("a") as out:
        out.write(line + "\n")


def count(context: JobContext, *, diary: str, steps: int = 3, pause: float = 0.05) -> dict[str, Any]:
    """Counts bytes in `steps` steps and looks at the safe point after each."""
    _write(diary, f"started {os.getpid()} attempt {context.attempt}")
    context.phase("counting", steps * 100)
    for step in range(steps):
        time.sleep(pause)
        context.advance(100)
        context.note(f"step {step}")
        context.checkpoint()
    _write(diary, f"ended {os.getpid()}")
    return {"steps": steps, "attempt": context.attempt}


def first_attempt_hangs(context: JobContext, *, diary: str) -> dict[str, Any]:
    """Works for ever the first time, and at once when an earlier worker died with it."""
    _write(diary, f"started {os.getpid()} attempt {context.attempt}")
    while context.attempt == 1:
        time.sleep(0.05)
        context.checkpoint()
    return {"attempt": context.attempt}


def deaf(context: JobContext, *, diary: str, until: str) -> dict[str, Any]:
    """Never looks at a safe point; ends when the file `until` is there."""
    _write(diary, f"started {os.getpid()} attempt {context.attempt}")
    while context.attempt == 1 and not Path(until).exists():
        time.sleep(0.05)
    _write(diary, f"ended {os.getpid()} attempt {context.attempt}")
    context.note(f"written by attempt {context.attempt}")
    return {"attempt": context.attempt}


def refuse(context: JobContext) -> dict[str, Any]:
    raise ForeseenError("chore.refused", "The repository nas1 is full.", "Free some space.")


def stumble(context: JobContext, *, word: str) -> dict[str, Any]:
    """A bug of ours, with a secret in reach of the traceback."""
    context.note(f"connecting with password={word}")
    raise RuntimeError(f"could not connect: password={word} host=db1")


def answer_nonsense(context: JobContext) -> object:
    return {"thing": object()}


def interrupt(context: JobContext) -> None:
    raise KeyboardInterrupt
