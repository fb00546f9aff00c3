"""Named steps of everything that writes, so that a test can die, wait or fail exactly there.

In production the hook does nothing. A fault test installs one in the process it is about to kill.
"""

from __future__ import annotations

from collections.abc import Callable


def _nothing(name: str) -> None:
    return None


hook: Callable[[str], None] = _nothing


def reached(name: str) -> None:
    """Say that the step `name` (e.g. ``backup.before_seal``) was reached."""
    hook(name)
