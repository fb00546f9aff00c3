"""Whatever happens between two backups, the newest one restores to exactly the bytes it read.

`HYPOTHESIS_MACHINE_BACKUPS` says how many backups that build on another one are to be tried (6 by default),
`HYPOTHESIS_MACHINE_STEPS` how long one server lives.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dataprotect.engine.backup import take_backup
from dataprotect.engine.model import BackupResult
from dataprotect.engine.verify import verify
from tests.engine.postgresql.busy_server import BusyServer
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.engine.postgresql.recorded import recorded
from tests.engine.postgresql.restored import TreeSink
from tests.engine.postgresql.test_backup_content import check_pages

BACKUPS = int(os.environ.get("HYPOTHESIS_MACHINE_BACKUPS", "6"))
CHANGES = 3
"""At most so many between two backups."""

STEPS = int(os.environ.get("HYPOTHESIS_MACHINE_STEPS", "14"))
_numbers = itertools.count(1)
few = precondition(lambda self: self.busy is not None and self.changes < CHANGES)
_strategies = st.sampled_from(["wal_log", "file_copy"])
_rewrites = st.sampled_from(
    [
        "VACUUM FULL wide", "VACUUM FULL pg_class", "VACUUM (FREEZE) pgbench_accounts", "REINDEX TABLE wide",
        "REINDEX DATABASE postgres", "CLUSTER wide USING wide_pkey", "ALTER TABLE fleeting SET LOGGED",
        "ALTER TABLE fleeting SET UNLOGGED", "ALTER TABLE renewed SET UNLOGGED",
        "ALTER TABLE renewed SET LOGGED",
    ]
)  # fmt: skip
_types = st.sampled_from(["incremental", "incremental", "differential", "full"])
_readers = st.sampled_from(["local", "streamed"])


class NoServer:
    """Stands in once there was enough: the same rules are drawn as before, which hypothesis insists on."""

    def __getattr__(self, name: str) -> Callable[..., bool]:
        return lambda *_: False

    def close(self) -> None: ...


class Changes(RuleBasedStateMachine):
    """All that may happen between two backups."""

    busy: BusyServer | NoServer | None = None
    set_back_since = False
    changes = 0
    history: list[str]

    def _note(self, *words: object) -> None:
        self.changes += 1
        self.history.append(" ".join(map(str, words)))

    @few
    @rule(transactions=st.integers(1, 60))
    def load(self, transactions: int) -> None:
        self._note("load", transactions)
        self.busy.pgbench("-n", "-t", str(transactions), "-c", "2")

    @few
    @rule(start=st.integers(1, 12000), count=st.integers(0, 2000))
    def update(self, start: int, count: int) -> None:
        self._note("update", start, count)
        self.busy.update(start, count)

    @few
    @rule()
    def shrink_and_grow(self) -> None:
        self._note("shrink_and_grow")
        self.busy.shrink_and_grow()

    @few
    @rule()
    def read_everything(self) -> None:
        self._note("read_everything")
        self.busy.read_everything()

    @few
    @rule()
    def truncate(self) -> None:
        self._note("truncate")
        self.busy.truncate()

    @few
    @rule()
    def recreate(self) -> None:
        self._note("recreate")
        self.busy.recreate()

    @few
    @rule(how=_rewrites)
    def rewrite(self, how: str) -> None:
        self._note("rewrite", how)
        self.busy.rewrite(how)

    @few
    @rule(strategy=_strategies)
    def create_database(self, strategy: str) -> None:
        self._note("create_database", strategy)
        self.busy.create_database(strategy)

    @few
    @rule(strategy=_strategies)
    def copy_database(self, strategy: str) -> None:
        self._note("copy_database", strategy)
        self.busy.copy_database(strategy)

    @few
    @rule()
    def drop_database(self) -> None:
        self._note("drop_database")
        self.busy.drop_database()

    @few
    @rule()
    def move_database(self) -> None:
        self._note("move_database")
        self.busy.move_database()

    @few
    @rule(back=st.booleans())
    def move_table(self, back: bool) -> None:
        self._note("move_table", back)
        self.busy.move_table(back)

    @few
    @rule()
    def crash(self) -> None:
        self._note("crash")
        self.busy.crash()

    @few
    @rule()
    def toggle_checksums(self) -> None:
        self._note("toggle_checksums")
        self.busy.toggle_checksums()

    @few
    @rule()
    def promote(self) -> None:
        self._note("promote")
        self.busy.promote()

    @few
    @rule()
    def fail_over(self) -> None:
        self._note("fail_over")
        self.busy.fail_over()

    @few
    @rule()
    def save(self) -> None:
        self._note("save")
        self.busy.save()

    @few
    @rule()
    def set_back(self) -> None:
        self._note("set_back")
        self.set_back_since |= self.busy.set_back()


class Machine(Changes):
    """Backs up between the changes and proves each backup; adds a line to `compared` for each."""

    workdir: ClassVar[Path]
    binaries: ClassVar[Path]
    compared: ClassVar[list[str]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.workdir / f"machine{next(_numbers)}"
        self.bench = Bench(self.folder / "bench")
        self.bench.folder.chmod(0o711)
        self.taken: list[BackupResult] = []
        self.history = []

    @initialize(worth=st.booleans(), checksums=st.booleans(), reader=_readers)
    def begin(self, worth: bool, checksums: bool, reader: str) -> None:
        if not worth:
            return
        self.busy = NoServer()
        if not enough(self.compared):
            self.busy = BusyServer(self.binaries, self.folder / "busy", checksums=checksums)
            self.back_up("full", reader)

    @precondition(lambda self: self.busy is None)
    @rule()
    def do_nothing(self) -> None:
        """Hypothesis tries the simplest first."""

    def teardown(self) -> None:
        try:
            if self.taken and isinstance(self.busy, BusyServer):
                clone = self.bench.bring_up(self.taken[-1], self.busy.server)
                if self.bench.repository.seal(INSTANCE, self.taken[-1].backup_id).facts["checksums"]:
                    check_pages(clone)
        finally:
            if self.busy is not None:
                self.busy.close()
            self.bench.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    @precondition(lambda self: self.busy is not None)
    @rule(type=_types, reader=_readers)
    def back_up(self, type: str, reader: str) -> None:
        self.changes = 0
        if not isinstance(self.busy, BusyServer):
            return
        newest = self.taken[-1].backup_id if self.taken else ""
        full = next((taken.backup_id for taken in reversed(self.taken) if taken.type == "full"), "")
        base = {"incremental": newest, "differential": full}.get(type, "")
        server = self.busy.server
        request = self.bench.request(server, reader, type=type, base_id=base)  # type: ignore[arg-type]
        with recorded() as read:
            result = take_backup(request, self.bench.repository)
        self.taken.append(result)
        note(f"{result.backup_id} {type} {result.type_reason}")
        assert result.type == type or self.set_back_since, result.type_reason
        self.set_back_since = False
        assert result.bad_pages == ()
        sink = TreeSink(self.folder / "restored")
        self.bench.repository.read(INSTANCE, result.backup_id).copy_to(sink)
        assert read.differences(sink.place) == []
        shutil.rmtree(sink.folder)
        self._prove(result)
        self.compared.append(f"{result.type} {reader}, number {len(self.taken)} {'; '.join(self.history)}")
        self.history = []

    def _prove(self, result: BackupResult) -> None:
        assert isinstance(self.busy, BusyServer)
        proved = verify(
            "restore", self.bench.repository, INSTANCE, result.backup_id,
            clones=self.bench.folder / "clones", binaries={self.busy.server.major: self.busy.server.bin},
        )  # fmt: skip
        assert proved.passed, [check for check in proved.checks if check.passed is False]


def enough(compared: list[str]) -> bool:
    return sum(not line.startswith("full") for line in compared) >= BACKUPS


@pytest.mark.slow
@pytest.mark.timeout(120 + 60 * BACKUPS)
def test_any_history_between_backups(workdir: Path, postgres_binaries) -> None:
    compared: list[str] = []
    about = {"workdir": workdir, "binaries": postgres_binaries(15), "compared": compared}
    made = type("MachineOfThisRun", (Machine,), about)
    run_state_machine_as_test(
        made,
        settings=settings(
            max_examples=40 + BACKUPS, stateful_step_count=STEPS, deadline=None, print_blob=True,
            database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        ),
    )  # fmt: skip
    print("\n".join(compared))
    assert enough(compared)
