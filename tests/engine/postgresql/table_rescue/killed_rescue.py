"""One rescue or undo in a process of its own, that dies by SIGKILL at a named step.

`python -m tests.engine.postgresql.table_rescue.killed_rescue JSON [STEP]`, the password on stdin. Without
STEP it finishes. It prints every step it came through, then its peak memory in KiB before and after the work.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

from dataprotect.core import steps
from dataprotect.core.secrets import Secret
from dataprotect.engine import table_rescue
from dataprotect.engine.model import Address
from dataprotect.engine.table_rescue_model import (
    RescueRequest,
    RescueSource,
    RescueTarget,
    TableName,
    UndoRequest,
)


def main() -> None:
    asked, *fatal = sys.argv[1:]
    what = json.loads(asked)
    password = sys.stdin.readline().strip()
    seen: dict[str, None] = {}

    def hook(name: str) -> None:
        seen[name] = None
        if [name] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.hook = hook
    target = RescueTarget(Address("127.0.0.1", what["port"], "postgres", Secret(password)), what["live"])
    if what["do"] == "undo":
        table_rescue.undo(UndoRequest("r1", target))
    else:
        tables = tuple(TableName("public", name) for name in what["tables"])
        source = RescueSource(f"{what['dsn']} password={password}", what["then"])
        if what["do"] == "warm":
            table_rescue.inspect(source, target, tables)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        table_rescue.compare(source, target, tables)
        table_rescue.rescue(RescueRequest("r1", source, target, tables, what["mode"]))
        print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print("\n".join(seen))


if __name__ == "__main__":
    main()
