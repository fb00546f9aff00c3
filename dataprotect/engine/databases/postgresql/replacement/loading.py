"""Dump the clone's database into the spool and load it beside the one in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dataprotect.core import steps
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine.command import CommandFailed
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.replacement import (
    content,
    messages,
    names,
    programs,
    properties,
    requirements,
    staged,
)
from dataprotect.engine.databases.postgresql.replacement.access import in_clone, oid_of, one, standing_in
from dataprotect.engine.databases.postgresql.replacement.programs import Programs
from dataprotect.engine.databases.postgresql.replacement.properties import Properties
from dataprotect.engine.databases.postgresql.replacement.requirements import Requirements
from dataprotect.engine.replace_model import Loaded, ReplaceRequest

_COMPRESSION = "1"
"""gzip, the fastest: the dump lives for minutes, on the worker's own disk."""
_MEASURED_EVERY = 2.0
_DROP_SECONDS = 600.0


class Measuring:
    """A reporter that also asks, every two seconds, how many bytes there are by now."""

    def __init__(self, reporter: Reporter, measure: Callable[[], int]) -> None:
        self._reporter, self._measure = reporter, measure
        self._known, self._asked = 0, time.monotonic()

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self._reporter.phase(name, total_bytes)

    def advance(self, done_bytes: int) -> None:
        self._reporter.advance(done_bytes)

    def note(self, message: str) -> None:
        self._reporter.note(message)

    def checkpoint(self) -> None:
        self._reporter.checkpoint()
        if time.monotonic() - self._asked >= _MEASURED_EVERY:
            self._asked = time.monotonic()
            grown = self._measure() - self._known
            if grown > 0:
                self._known += grown
                self._reporter.advance(grown)


class Loading:
    """One run of `load`. The connection stands in another database of the target."""

    def __init__(self, request: ReplaceRequest, reporter: Reporter) -> None:
        self.request, self.reporter = request, reporter
        self.database = request.target.database
        self.staged = names.of(self.database, request.restore_id).staged
        self.timings: dict[str, float] = {}
        self.messages: list[str] = []
        self._in_use = False

    def run(self) -> Loaded:
        """Raises what `replace.load` says; then nothing of it is left."""
        with in_clone(self.request.dsn, self.database) as source:
            needed = requirements.read(source)
            with standing_in(self.request.target, "loading beside the database in use") as connection:
                self._refuse_used_names(connection)
                staged.drop_leftover(connection, self.request.target, self.staged, self.request.restore_id)
                steps.reached("replace.before_load")
                self._in_use = oid_of(connection, self.database) is not None
                wanted = properties.read(connection if self._in_use else source, self.database)
                roles = {**dict.fromkeys(wanted.roles, True), **needed.roles}
                created = staged.create_roles(connection, roles, self.request.create_roles)
                try:
                    return self._load(source, connection, needed, wanted, created)
                except BaseException:
                    self._take_away()
                    raise

    def _load(
        self, source: Connection, connection: Connection, needed: Requirements, wanted: Properties,
        created: tuple[str, ...],
    ) -> Loaded:  # fmt: skip
        major = connection.info.server_version // 10000
        with programs.at_work(
            self.request, programs.find(self.request, needed.shape.major, major)
        ) as at_work:
            dump = self._dump(at_work)
            dump_bytes = size_below(dump)
            oid = staged.create(connection, self.staged, self.request.restore_id, needed.shape, major, wanted)
            self._restore(at_work, dump, connection, needed.shape.size_bytes)
            self._analyze(at_work)
        counts = self._count(source)
        staged.complete(connection, self.staged, self.request.restore_id, wanted, self._in_use)
        return Loaded(
            staged=self.staged,
            oid=oid,
            size_bytes=self._size(connection),
            dump_bytes=dump_bytes,
            row_counts=counts,
            timings=self.timings,
            messages=tuple(self.messages),
            created_roles=created,
        )

    def _refuse_used_names(self, connection: Connection) -> None:
        called = names.of(self.database, self.request.restore_id)
        for name in (called.kept, called.undone):
            if oid_of(connection, name) is not None:
                raise ForeseenError(
                    "replace.name_taken",
                    f"There is a database {name} already: this restore was swapped in before.",
                    "Ask where the replacement stands, or use another restore id.",
                )

    def _dump(self, at_work: Programs) -> Path:
        dump = at_work.folder / "dump"
        where = programs.of_clone(self.request.dsn, self.database)
        words: list[str | Path] = [
            "--format=directory", f"--jobs={self.request.jobs}", f"--compress={_COMPRESSION}",
            "--no-subscriptions", "--no-password", "--file", dump, "--dbname", where,
        ]  # fmt: skip
        self._program(at_work, "dump", "pg_dump", words, None, lambda: size_below(dump))
        steps.reached("replace.dumped")
        return dump

    def _restore(self, at_work: Programs, dump: Path, connection: Connection, expected: int) -> None:
        where = programs.of_target(self.request.target.address, self.staged, at_work)
        words: list[str | Path] = [
            "--exit-on-error", f"--jobs={self.request.jobs}", "--no-subscriptions", "--no-password",
            "--dbname", where, dump,
        ]  # fmt: skip
        self._program(at_work, "restore", "pg_restore", words, expected, lambda: self._size(connection))
        steps.reached("replace.restored")

    def _analyze(self, at_work: Programs) -> None:
        """Without statistics the first queries after the swap would be planned blindly."""
        where = programs.of_target(self.request.target.address, self.staged, at_work)
        words = [
            "--analyze-only",
            "--quiet",
            f"--jobs={self.request.jobs}",
            "--no-password",
            "--dbname",
            where,
        ]
        self._program(at_work, "analyze", "vacuumdb", words, None, lambda: 0)
        steps.reached("replace.analyzed")

    def _program(
        self, at_work: Programs, phase: str, program: str, words: Sequence[str | Path], total: int | None,
        measure: Callable[[], int],
    ) -> None:  # fmt: skip
        self.reporter.phase(phase, total)
        self.reporter.checkpoint()
        began = time.monotonic()
        try:
            result = at_work.run(program, words, Measuring(self.reporter, measure))
        except CommandFailed as failed:
            raise messages.explained(program, failed.stderr) from None
        self.timings[phase] = time.monotonic() - began
        for line in messages.sorted_out(result.stderr):
            self.messages.append(line)
            self.reporter.note(line)

    def _count(self, source: Connection) -> dict[str, int]:
        self.reporter.phase("count")
        began = time.monotonic()
        counts = content.row_counts(source, self.reporter)
        self.timings["count"] = time.monotonic() - began
        return counts

    def _size(self, connection: Connection) -> int:
        return int(one(connection, "SELECT pg_database_size(%s::name)", self.staged)[0])

    def _take_away(self) -> None:
        """By a connection of its own: the other may be what failed. What stays is dropped by the next run."""
        try:
            with standing_in(
                self.request.target, "dropping the staged database", seconds=_DROP_SECONDS
            ) as connection:
                staged.drop(connection, self.staged)
        except ForeseenError as error:
            self.reporter.note(f"{self.staged} could not be dropped and remains: {error.message}")


def size_below(folder: Path) -> int:
    """Bytes of the files below `folder`; files that go meanwhile count nothing."""
    total = 0
    for each in folder.rglob("*") if folder.exists() else ():
        with suppress(FileNotFoundError):
            total += each.stat().st_size
    return total
