"""Stopping the server of a directory: the hook is run, and then we look."""

from __future__ import annotations

import time
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql import binaries, clone
from dataprotect.engine.databases.postgresql.full_system import hooks, place, running
from dataprotect.engine.full_system_model import FullSystemRequest, Stopped


def stop(request: FullSystemRequest, data: Path, reporter: Reporter) -> Stopped:
    started = time.monotonic()
    found = running.server_in(data)
    if found is None:
        return Stopped(0.0, False, _clean(request, data))
    reporter.checkpoint()
    reporter.phase("stop")
    steps.reached("full_system.before_stop")
    wanted = request.target.hooks
    note = hooks.run(wanted, wanted.stop, wanted.stop_seconds)
    if not running.wait(
        data, wanted.stop_seconds if not note else _AFTER_A_FAILURE, lambda each: each is None
    ):
        said = note or "The stop hook claims success."
        raise ForeseenError(
            "full_system.not_stopped",
            f"The server in {data} (process {found.pid}) was not stopped. {said}",
            "Correct the stop hook, or stop the server, and go on; nothing was changed, and it is in use.",
        )
    steps.reached("full_system.stopped")
    return Stopped(time.monotonic() - started, True, _clean(request, data), note)


_AFTER_A_FAILURE = 10.0
"""Seconds: a hook that says that it failed may have been understood all the same."""


def _clean(request: FullSystemRequest, data: Path) -> bool | None:
    try:
        found = place.read(data)
        programs = binaries.find(found.major, request.binaries, place.account(found.owner))
        control = clone.control_data(programs, place.account(found.owner), data)
    except ForeseenError:
        return None
    return control.get("Database cluster state") == "shut down"
