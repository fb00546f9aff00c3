"""The log stream in a process of its own: `python -m tests.bench.streaming JOB`, as tests.bench.child.

Says `started` when the server sends, streams until its input ends, then until everything the server had is
stored, and prints what it saw: a JSON object as its last line.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dataprotect.core.secrets import Secret
from dataprotect.engine.databases.postgresql.log_stream import PostgresLogStream
from dataprotect.engine.logs import FoundGap, LogRequest, LogStatus
from dataprotect.engine.model import Address, Source
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.logs import Heartbeat, LogWriter, Shipped
from dataprotect.storage.repository import Repository
from tests.bench.child import INSTANCE

_PATIENCE = 300.0


class Watching:
    """Everything a stream tells, as far as the benchmark asks for it."""

    def __init__(self) -> None:
        self.states: list[LogStatus] = []
        self.objects = self.stored = 0
        self.told = threading.Condition()

    def started(self, **_: Any) -> None:
        print("started", flush=True)

    def shipped(self, shipped: Shipped) -> None:
        self.objects += 1
        self.stored += shipped.stored

    def status(self, status: LogStatus) -> None:
        with self.told:
            self.states.append(status)
            self.told.notify_all()

    def history(self, *_: Any) -> None: ...

    def heartbeat(self, beat: Heartbeat, timeline: int) -> None: ...

    def gap(self, gap: FoundGap) -> None:
        raise RuntimeError(str(gap))

    def base_needed(self, reason: str) -> None:
        raise RuntimeError(reason)


def main() -> None:
    job, watching, stop = json.loads(sys.argv[1]), Watching(), threading.Event()
    repository = Repository.open(job["repository"], LocalKeyring.load(Path(job["key"])), write=True)
    address = Address("127.0.0.1", job["port"], "postgres", Secret(Path(job["password"]).read_text()))

    def open_writer(system: str, size: int, went_back: bool) -> LogWriter:
        return LogWriter.open(
            repository, INSTANCE, system_identifier=system, segment_size=size, went_back=went_back
        )

    request = LogRequest(Source(INSTANCE, INSTANCE, address), "", Path(job["spool"]))
    stream = PostgresLogStream(request, open_writer, watching)
    thread = threading.Thread(target=stream.run, args=(stop,), daemon=True)
    thread.start()
    sys.stdin.read()
    used = resource.getrusage(resource.RUSAGE_SELF)
    under_load, seconds = list(watching.states), _catch_up(watching, thread)
    stop.set()
    thread.join()
    print(
        json.dumps(
            {
                "behind_bytes": [each.server_end - each.shipped for each in under_load],
                "exposure_seconds": [each.exposure for each in under_load if each.exposure is not None],
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
                "objects": watching.objects,
                "stored_bytes": watching.stored,
                "catch_up_seconds": round(seconds, 2),
            }
        )
    )


def _catch_up(watching: Watching, thread: threading.Thread) -> float:
    """Seconds until what the server had when the load ended is stored. Raises RuntimeError."""
    began = time.monotonic()
    with watching.told:
        watching.told.wait(5.0)
        goal = watching.states[-1].server_end
        while watching.states[-1].shipped < goal:
            watching.told.wait(1.0)
            if not thread.is_alive() or time.monotonic() - began > _PATIENCE:
                raise RuntimeError("the stream did not catch up")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
