"""A nursery of workers: for each line `JOB STEP` on stdin one process takes the job and dies by
SIGKILL when the step is reached. Answers `killed` or `ended`; without STEP it goes on to the end.

Forked, not started anew: half a hundred starts of Django would be most of the test.
"""

from __future__ import annotations

import os
import signal
import sys
from uuid import UUID

import django

django.setup()

from dataprotect.core import steps  # noqa: E402
from dataprotect.ops import runner  # noqa: E402
from restores.services import run_watch  # noqa: E402


def work(job: str, fatal: str) -> None:
    def die(name: str) -> None:
        if name == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.hook = die
    run_watch._LOOK_EVERY = 0.05
    took = runner.execute(UUID(job))
    os._exit(0 if took else 3)


def main() -> None:
    for line in sys.stdin:
        job, _, fatal = line.strip().partition(" ")
        pid = os.fork()
        if not pid:
            try:
                work(job, fatal)
            finally:
                os._exit(4)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        code = os.waitstatus_to_exitcode(status)
        print("killed" if killed else {0: "ended", 3: "not taken"}.get(code, f"broke {code}"), flush=True)


if __name__ == "__main__":
    main()
