"""Go on with one restore in a process of its own, and die by SIGKILL the first time a step is reached.

`python -m …`: a first line on stdin says as JSON what is restored. Each further line `HOW_FAR [STEP]` goes
on from where the restore stands, in a process forked for it, as a resumed run does; HOW_FAR: restored,
exchanged, back. Answers one JSON line: the exit status (-9: killed), the steps of `full_system.` it came
through, and what it failed with.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from dataprotect.core import steps
from dataprotect.core.secrets import Secret
from dataprotect.engine import full_system
from dataprotect.engine.full_system_model import FullSystemRequest, FullSystemTarget, Hooks, Origin
from dataprotect.engine.model import Address
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository


def main() -> None:
    given = json.loads(sys.stdin.readline())
    while line := sys.stdin.readline():
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _child(given, line.split(), writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        answer = {"status": status, "steps": [], "error": "", **(json.loads(said) if said else {})}
        print(json.dumps(answer), flush=True)


def _child(given: dict[str, Any], words: list[str], writing: int) -> None:
    how_far, *fatal = words
    seen: dict[str, None] = {}

    def hook(name: str) -> None:
        seen[name] = None
        if [name] == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.hook = hook
    error = ""
    try:
        _go_on(given, how_far)
    except BaseException:  # noqa: BLE001  told to the test
        error = traceback.format_exc()
    came = [name for name in seen if name.startswith("full_system.")]
    os.write(writing, json.dumps({"steps": came, "error": error}).encode())
    os._exit(1 if error else 0)


def _go_on(given: dict[str, Any], how_far: str) -> None:
    repository = Repository.open(given["repository"], LocalKeyring.load(Path(given["keys"])))
    request, origin = _request(given)
    if how_far == "back":
        full_system.swap_back(request, origin)
        return
    if full_system.standing(request, origin).place in ("untouched", "restoring"):
        full_system.restore(repository, request, origin)
    if how_far == "exchanged":
        if full_system.standing(request, origin).place == "restored":
            full_system.stop(request, origin)
        if full_system.standing(request, origin).place in ("restored", "exchanging"):
            full_system.exchange(request, origin)
        full_system.start(request, origin)


def _request(given: dict[str, Any]) -> tuple[FullSystemRequest, Origin]:
    address = Address("127.0.0.1", given["port"], "postgres", Secret(given["password"]))
    data = Path(given["data"])
    hooks = Hooks(tuple(given["stop"]), tuple(given["start"]), given["user"], 60, 60)
    request = FullSystemRequest(
        FullSystemTarget(address, data, hooks), given["restore_id"], given["instance_id"], given["backup_id"],
        binaries={given["major"]: Path(given["bin"])},
    )  # fmt: skip
    origin = Origin(
        given["restore_id"], data, given["inode"], given["owner"], given["major"], given["system"]
    )
    return request, origin


if __name__ == "__main__":
    main()
