"""Whatever happens between two backups, the newest one restores to exactly the bytes it read.

`INCREMENTAL_MACHINE_EXAMPLES` and `INCREMENTAL_MACHINE_STEPS` make it look deeper than it does by default.
"""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, note, settings
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

EXAMPLES = int(os.environ.get("INCREMENTAL_MACHINE_EXAMPLES", "1"))
CHANGES = 3
"""At most so many between two backups."""

STEPS = int(os.environ.get("INCREMENTAL_MACHINE_STEPS", "14"))
_numbers = itertools.count(1)
few = precondition(lambda self: self.changes < CHANGES)
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


def machine(workdir: Path, binaries: Path) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = workdir / f"machine{next(_numbers)}"
            self.bench = Bench(self.folder / "bench")
            self.bench.folder.chmod(0o711)
            self.busy: BusyServer | None = None
            self.taken: list[BackupResult] = []
            self.set_back_since = False
            self.changes = 0

        @initialize(checksums=st.booleans(), reader=_readers)
        def begin(self, checksums: bool, reader: str) -> None:
            self.busy = BusyServer(binaries, self.folder / "busy", checksums=checksums)
            self.back_up("full", reader)

        def teardown(self) -> None:
            try:
                if self.taken and self.busy is not None:
                    clone = self.bench.bring_up(self.taken[-1], self.busy.server)
                    if self.bench.repository.seal(INSTANCE, self.taken[-1].backup_id).facts["checksums"]:
                        check_pages(clone)
            finally:
                if self.busy is not None:
                    self.busy.close()
                self.bench.close()
                shutil.rmtree(self.folder, ignore_errors=True)

        @rule(type=_types, reader=_readers)
        def back_up(self, type: str, reader: str) -> None:
            assert self.busy is not None
            newest = self.taken[-1].backup_id if self.taken else ""
            full = next((taken.backup_id for taken in reversed(self.taken) if taken.type == "full"), "")
            base = {"incremental": newest, "differential": full}.get(type, "")
            server = self.busy.server
            request = self.bench.request(server, reader, type=type, base_id=base)  # type: ignore[arg-type]
            with recorded() as read:
                result = take_backup(request, self.bench.repository)
            self.taken.append(result)
            event(f"{type} became {result.type}")
            note(f"{result.backup_id} {type} {result.type_reason}")
            assert result.type == type or self.set_back_since, result.type_reason
            self.set_back_since = False
            assert result.bad_pages == ()
            self.changes = 0
            sink = TreeSink(self.folder / "restored")
            self.bench.repository.read(INSTANCE, result.backup_id).copy_to(sink)
            assert read.differences(sink.place) == []
            shutil.rmtree(sink.folder)
            self._prove(result)

        def _prove(self, result: BackupResult) -> None:
            assert self.busy is not None
            proved = verify(
                "restore", self.bench.repository, INSTANCE, result.backup_id,
                clones=self.bench.folder / "clones", binaries={self.busy.server.major: self.busy.server.bin},
            )  # fmt: skip
            assert proved.passed, [check for check in proved.checks if check.passed is False]

        @few
        @rule(transactions=st.integers(1, 60))
        def load(self, transactions: int) -> None:
            self.changes += 1
            self.busy.pgbench("-n", "-t", str(transactions), "-c", "2")

        @few
        @rule(start=st.integers(1, 12000), count=st.integers(0, 2000))
        def update(self, start: int, count: int) -> None:
            self.changes += 1
            self.busy.update(start, count)

        @few
        @rule()
        def shrink_and_grow(self) -> None:
            self.changes += 1
            self.busy.shrink_and_grow()

        @few
        @rule()
        def read_everything(self) -> None:
            self.changes += 1
            self.busy.read_everything()

        @few
        @rule()
        def truncate(self) -> None:
            self.changes += 1
            self.busy.truncate()

        @few
        @rule()
        def recreate(self) -> None:
            self.changes += 1
            self.busy.recreate()

        @few
        @rule(how=_rewrites)
        def rewrite(self, how: str) -> None:
            self.changes += 1
            self.busy.rewrite(how)

        @few
        @rule(strategy=_strategies)
        def create_database(self, strategy: str) -> None:
            self.changes += 1
            self.busy.create_database(strategy)

        @few
        @rule(strategy=_strategies)
        def copy_database(self, strategy: str) -> None:
            self.changes += 1
            self.busy.copy_database(strategy)

        @few
        @rule()
        def drop_database(self) -> None:
            self.changes += 1
            self.busy.drop_database()

        @few
        @rule()
        def move_database(self) -> None:
            self.changes += 1
            self.busy.move_database()

        @few
        @rule(back=st.booleans())
        def move_table(self, back: bool) -> None:
            self.changes += 1
            self.busy.move_table(back)

        @few
        @rule()
        def crash(self) -> None:
            self.changes += 1
            self.busy.crash()

        @few
        @rule()
        def toggle_checksums(self) -> None:
            self.changes += 1
            self.busy.toggle_checksums()

        @few
        @rule()
        def promote(self) -> None:
            self.changes += 1
            self.busy.promote()

        @few
        @rule()
        def fail_over(self) -> None:
            self.changes += 1
            self.busy.fail_over()

        @few
        @rule()
        def save(self) -> None:
            self.changes += 1
            self.busy.save()

        @few
        @rule()
        def set_back(self) -> None:
            self.changes += 1
            self.set_back_since |= self.busy.set_back()

    return Machine


@pytest.mark.slow
def test_any_history_between_backups(workdir: Path, postgres_binaries) -> None:
    run_state_machine_as_test(
        machine(workdir, postgres_binaries(15)),
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, print_blob=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
        ),
    )  # fmt: skip
