"""Stored log on its way into a recovering server.

Threads fetch and decode segments ahead of replay into a folder of bounded size. The server's restore_command
is a few lines of shell that move a file from there: no interpreter starts for a segment, and where replay is
ahead it waits. Absent and failed are different answers: the first ends recovery as the end of the log does,
the second ends the server, so that a broken disk or network is never taken for the end of the log.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import recovery_tablespaces
from dataprotect.engine.databases.postgresql.recovery_plan import LogPlan
from dataprotect.engine.databases.postgresql.stored_log import created_in_log
from dataprotect.storage.logs import LogReader, layout

ROOM = 256 << 20
"""Bytes of decoded log that wait for the server at most; two segments in any case."""

SCRIPT = """\
#!/bin/sh
# restore_command of a server that DataProtect brings up: $1 is the file it wants, $2 where to put it.
# Exit codes: 0 moved, 1 there is no such file, above 125 it could not be had (the server ends then).
spool={spool}
keeper={keeper}
file="$spool/$1"
if [ ! -f "$file" ]; then
    # What was never stored is answered without asking.
    case "$1" in
        *.history) case " {histories} " in *" $1 "*) ;; *) exit 1 ;; esac ;;
        *) [ "$1" \\> "{last}" ] && exit 1 ;;
    esac
    [ -e "$file.missing" ] && exit 1
    : > "$file.wanted" || exit 200
    while [ ! -f "$file" ]; do
        [ -e "$file.missing" ] && exit 1
        [ -e "$file.failed" ] && exit 201
        [ -d "/proc/$keeper" ] || exit 202
        sleep 0.02
    done
    rm -f "$file.wanted"
fi
mv "$file" "$2" || exit 203
"""

_LOOK_SECONDS = 0.01
_HISTORY = ".history"


class LogFetcher:
    """`start` before the server, `check` while it recovers, `close` afterwards. `folder` is the clone's and
    goes with it; the server's account owns what is inside.
    """

    def __init__(
        self, reader: LogReader, plan: LogPlan, folder: Path, account: Account, threads: int = 2,
        room: int = ROOM,
    ) -> None:  # fmt: skip
        self._reader, self._plan, self._account = reader, plan, account
        self._spool, self._script = folder / "log", folder / "fetch.sh"
        self._ahead = max(2, threads, room // plan.segment_size)
        self._order = {name: index for index, name in enumerate(plan.segments)}
        self._histories = {layout.history_name(timeline): timeline for timeline in plan.histories}
        self._next = 0
        self._jobs: dict[str, Future[None]] = {}
        self._edges: dict[str, bytes] = {}
        self._failures: dict[str, BaseException] = {}
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="log fetch")
        self._thread = threading.Thread(target=self._run, name="log fetcher", daemon=True)

    @property
    def restore_command(self) -> str:
        """For the server's configuration. Paths are our own and quoted; %f and %p are the server's."""
        quoted = shlex.quote(str(self._script)).replace("%", "%%")
        return f'/bin/sh {quoted} "%f" "%p"'

    def start(self) -> None:
        self._spool.mkdir(mode=0o700)
        os.chown(self._spool, self._account.uid, self._account.gid)
        text = SCRIPT.format(
            spool=shlex.quote(str(self._spool)),
            keeper=os.getpid(),
            histories=" ".join(self._histories),
            last=max(self._plan.segments, default=""),
        )
        self._script.write_text(text)
        self._script.chmod(0o755)
        self._thread.start()

    def check(self) -> None:
        """Raise what kept a file from the server that it asked for."""
        for name, failure in list(self._failures.items()):
            if (self._spool / f"{name}.wanted").exists():
                raise failure

    def close(self) -> None:
        """End the threads and let go of what was fetched in vain. Safe to call twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._spool, ignore_errors=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            present = {each.name for each in self._spool.iterdir()}
            for wanted in [name for name in present if name.endswith(".wanted")]:
                self._answer(wanted.removesuffix(".wanted"), present)
            self._go_ahead(present)
            self._stop.wait(_LOOK_SECONDS)

    def _answer(self, name: str, present: set[str]) -> None:
        """The server waits for `name`: get it first, or say that there is none."""
        if {name, f"{name}.missing", f"{name}.failed"} & present or self._is_coming(name):
            return
        if name in self._order or name in self._histories:
            self._next = max(self._next, self._order.get(name, -1) + 1)
            self._submit(name)
        else:
            (self._spool / f"{name}.missing").touch()

    def _go_ahead(self, present: set[str]) -> None:
        waiting = sum(1 for name in present if layout.is_segment(name))
        waiting += sum(1 for job in self._jobs.values() if not job.done())
        while waiting < self._ahead and self._next < len(self._plan.segments):
            self._submit(self._plan.segments[self._next])
            self._next += 1
            waiting += 1

    def _is_coming(self, name: str) -> bool:
        return name in self._jobs and not self._jobs[name].done()

    def _submit(self, name: str) -> None:
        self._jobs[name] = self._pool.submit(self._fetch, name)
        old = self._order.get(name, 0) - 2 * self._ahead
        if old >= 0:
            self._jobs.pop(self._plan.segments[old], None)
            self._edges.pop(self._plan.segments[old], None)

    def _fetch(self, name: str) -> None:
        try:
            made = self._spool / f".{name}"
            made.unlink(missing_ok=True)
            if name.endswith(_HISTORY):
                made.write_bytes(self._reader.history(self._histories[name], lineage=self._plan.lineage))
            else:
                fetch_segment(self._reader, self._plan, name, made)
                start = layout.segment_start(name, self._plan.segment_size)
                self._edges[name] = look_through(made, self._edge_before(name), start, self._plan.needed)
            made.chmod(0o600)
            os.chown(made, self._account.uid, self._account.gid)
            made.rename(self._spool / name)
        except BaseException as error:  # noqa: BLE001  raised by `check` once the server asks for the file
            self._failures[name] = error
            with contextlib.suppress(OSError):
                (self._spool / f"{name}.failed").touch()

    def _edge_before(self, name: str) -> bytes:
        """The end of the segment before; fetched in order, it is there or will be in a moment."""
        index = self._order[name]
        before = self._plan.segments[index - 1] if index else ""
        job = self._jobs.get(before)
        if job is not None and before not in self._edges:
            with contextlib.suppress(Exception):
                job.result()
        return self._edges.get(before, b"")


def fetch_segment(reader: LogReader, plan: LogPlan, name: str, into: Path) -> None:
    """One segment as the server shall see it."""
    reader.fetch(name, into, lineage=plan.lineage)
    start = layout.segment_start(name, plan.segment_size)
    if plan.cut and start < plan.end < start + plan.segment_size:
        os.truncate(into, plan.end - start)
        os.truncate(into, plan.segment_size)


def look_through(segment: Path, before: bytes, start: int, needed: int) -> bytes:
    """The end of the segment's records, for the one after it. `before` is that of the one before it, `start`
    its position; what lies at `needed` or later will not be replayed.

    Raises `restore.tablespace_in_log`.
    """
    records = recovery_tablespaces.payload(segment)
    for at, place in recovery_tablespaces.created(records):
        if start + recovery_tablespaces.offset_of(at) < needed:
            raise created_in_log(place)
    # The first page's header is 16 bytes longer than the others'; what is read of it begins the records.
    refuse_across(before, records[16 : 16 + recovery_tablespaces.EDGE])
    return records[-recovery_tablespaces.EDGE :]


def refuse_across(before: bytes, after: bytes) -> None:
    """Raise for a tablespace whose record begins in one segment and ends in the next."""
    for at, place in recovery_tablespaces.created(before + after):
        if at < len(before):
            raise created_in_log(place)


def place_log(
    reader: LogReader, plan: LogPlan, folder: Path, account: Account, threads: int,
    told: Callable[[int], None],
) -> None:  # fmt: skip
    """Put everything the plan names into `folder` (a pg_wal), durably; `told` gets the bytes of each file.

    What the backup stored itself is replaced where the log knows more. Raises `logs.missing`, DamagedObject,
    `restore.tablespace_in_log`.
    """
    for timeline in plan.histories:
        name = layout.history_name(timeline)
        made = folder / f".{name}"
        made.write_bytes(reader.history(timeline, lineage=plan.lineage))
        _settle(made, folder / name, account)
    edges: dict[str, bytes] = {}

    def fetch(name: str) -> str:
        made = folder / f".{name}"
        fetch_segment(reader, plan, name, made)
        start = layout.segment_start(name, plan.segment_size)
        edges[name] = look_through(made, b"", start, plan.needed)
        return name

    before = b""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="log fetch")
    try:
        for name in pool.map(fetch, plan.segments):
            made = folder / f".{name}"
            with made.open("rb") as file:
                refuse_across(before, file.read(8192)[40 : 40 + recovery_tablespaces.EDGE])
            before = edges.pop(name)
            _settle(made, folder / name, account)
            _mark_archived(folder / "archive_status" / f"{name}.done", account)
            told(plan.segment_size)
    finally:
        pool.shutdown(cancel_futures=True)


def _mark_archived(done: Path, account: Account) -> None:
    """The server must not archive again what was archived before."""
    if done.parent.is_dir() and not done.exists():
        done.touch(mode=0o600)
        os.chown(done, account.uid, account.gid)


def _settle(made: Path, name: Path, account: Account) -> None:
    made.chmod(0o600)
    os.chown(made, account.uid, account.gid)
    descriptor = os.open(made, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    made.rename(name)
