"""Go on with one replacement in a process of its own, and die by SIGKILL the first time a step is reached.

`python -m … PORT DATABASE RESTORE_ID DSN SPOOL MAJOR=BIN HOW_FAR [STEP]`
HOW_FAR: load, swap or back. The process goes on from where the replacement stands, as a resumed run does.
Without STEP it finishes and prints every step of `replace.` it came through. Password, oid and system
identifier come on stdin.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.secrets import Secret
from dataprotect.engine import replace
from dataprotect.engine.model import Address
from dataprotect.engine.replace_model import Origin, ReplaceRequest, ReplaceTarget, SwapOptions


def main() -> None:
    port, database, restore_id, dsn, spool, binaries, how_far, *fatal = sys.argv[1:]
    seen: dict[str, None] = {}

    def hook(name: str) -> None:
        seen[name] = None
        if [name] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.hook = hook
    password, oid, system = (sys.stdin.readline().strip() for _ in range(3))
    address = Address("127.0.0.1", int(port), "postgres", Secret(password))
    major, _, programs = binaries.partition("=")
    request = ReplaceRequest(
        ReplaceTarget(address, database), restore_id, dsn=dsn, spool=Path(spool),
        binaries={int(major): Path(programs)},
    )  # fmt: skip
    go_on(request, Origin(database, restore_id, int(oid), system), how_far)
    print("\n".join(name for name in seen if name.startswith("replace.")))


def go_on(request: ReplaceRequest, origin: Origin, how_far: str) -> None:
    """From wherever it stands."""
    options = SwapOptions(grace_seconds=0.0)
    if replace.standing(request, origin).place in ("untouched", "loading"):
        replace.load(request)
    if how_far != "load" and replace.standing(request, origin).place == "staged":
        replace.swap_in(request, origin, options)
    if how_far == "back" and replace.standing(request, origin).place == "swapped":
        replace.swap_back(request, origin, options)


if __name__ == "__main__":
    main()
