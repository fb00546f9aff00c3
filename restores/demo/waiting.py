"""Waiting for what comes within seconds by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

from dataprotect.core.errors import ForeseenError
from restores.demo.scene import Scene

PATIENCE_SECONDS = 120.0


def wait_until(scene: Scene, what: str, come: Callable[[], bool]) -> float:
    """Seconds until `come` was true. Raises `demo.waiting`, or what says that somebody has ended."""
    began = time.monotonic()
    while not come():
        scene.check()
        scene.load.check()
        waited = time.monotonic() - began
        if waited > PATIENCE_SECONDS:
            raise ForeseenError(
                "demo.waiting", f"{what} did not come within {waited:.0f} s.",
                "Read logs/collector.log and logs/workers.log in the home folder.",
            )  # fmt: skip
        scene.story.progress(f"{what}: {waited:.0f} s")
        time.sleep(0.25)
    return time.monotonic() - began
