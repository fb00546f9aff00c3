"""Differential and incremental backups of real servers: what they hold, and what they build on."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.engine.backup import take_backup
from dataprotect.engine.databases.postgresql import base_check, preflight, timeline_history
from dataprotect.engine.model import BackupResult, Reader
from tests.engine.postgresql.busy_server import BusyServer
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.engine.postgresql.test_backup_content import check_pages
from tests.engine.postgresql.test_backup_faults import nothing_is_left_on, run_child
from tests.servers.postgresql import PostgresServer
from tests.warm import WarmPython


def take(
    bench: Bench, server: PostgresServer, reader: Reader, type: str = "full", base: str = "", **more: object
) -> BackupResult:
    request = bench.request(server, reader, type=type, base_id=base, **more)
    return take_backup(request, bench.repository)


def pgbench(server: PostgresServer, *argv: str) -> None:
    subprocess.run(
        server.pgbench(*argv), env={"PGPASSWORD": server.password}, check=True, capture_output=True
    )  # fmt: skip


def test_only_changed_pages_are_stored(make_postgres, bench: Bench, reader: Reader) -> None:
    server: PostgresServer = make_postgres()
    pgbench(server, "-i", "-q", "-s", "3")
    full = take(bench, server, reader)
    pgbench(server, "-n", "-t", "200")
    with server.connect() as connection:
        connection.execute("CHECKPOINT")
    changed = take(bench, server, reader, "incremental", full.backup_id)
    assert (changed.type, changed.base_id, changed.type_reason) == ("incremental", full.backup_id, "")
    assert changed.bytes_stored < full.bytes_stored / 3
    seal = bench.repository.seal(INSTANCE, changed.backup_id)
    assert seal.parents == (full.backup_id,)
    assert not bench.repository.read(INSTANCE, changed.backup_id).verify_decode()
    clone = bench.bring_up(changed, server)
    query = "SELECT count(*), sum(abalance), sum(hashtext(a::text)::bigint) FROM pgbench_accounts a"
    with server.connect() as source, clone.connect() as restored:
        assert restored.execute(query).fetchone() == source.execute(query).fetchone()
    check_pages(clone)


def test_a_mixture_of_types_and_readers(make_postgres, bench: Bench) -> None:
    server: PostgresServer = make_postgres(version=17)
    pgbench(server, "-i", "-q", "-s", "2")
    taken = [take(bench, server, "local")]
    plan = [("incremental", "streamed", -1), ("incremental", "local", -1), ("differential", "streamed", 0),
            ("incremental", "local", -1)]  # fmt: skip
    for type, reader, base in plan:
        pgbench(server, "-n", "-t", "100")
        taken.append(take(bench, server, reader, type, taken[base].backup_id))  # type: ignore[arg-type]
        assert taken[-1].type == type, taken[-1].type_reason
    ids = [result.backup_id for result in taken]
    parents = [list(bench.repository.seal(INSTANCE, name).parents) for name in ids]
    assert parents == [[], [ids[0]], [ids[1], ids[0]], [ids[0]], [ids[3], ids[0]]]
    assert not bench.repository.read(INSTANCE, ids[-1]).verify_decode()
    clone = bench.bring_up(taken[-1], server)
    query = "SELECT sum(abalance), (SELECT count(*) FROM pgbench_history) FROM pgbench_accounts"
    with server.connect() as source, clone.connect() as restored:
        assert restored.execute(query).fetchone() == source.execute(query).fetchone()
    check_pages(clone)


def system_identifier(server: PostgresServer) -> str:
    with server.connect() as connection:
        return str(
            connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()[0]
        )


def falls_back(result: BackupResult, *words: str) -> None:
    assert (result.type, result.base_id) == ("full", "")
    assert result.type_reason == result.warnings[0]
    assert result.type_reason.startswith("This is a full backup instead of the ")
    for word in words:
        assert word in result.type_reason


def test_without_a_usable_base_it_is_a_full_and_says_why(postgres15: PostgresServer, bench: Bench) -> None:
    falls_back(take(bench, postgres15, "local", "incremental"), "no backup it could build on")
    told = take(bench, postgres15, "local", "incremental", base_reason="orders has no backup yet.")
    falls_back(told, "orders has no backup yet.")
    falls_back(take(bench, postgres15, "local", "incremental", "nosuch"), "nosuch", "cannot be built on")
    full = take(bench, postgres15, "local")
    first = take(bench, postgres15, "local", "incremental", full.backup_id)
    falls_back(take(bench, postgres15, "local", "differential", first.backup_id), "no full backup")
    limited = take(bench, postgres15, "local", "incremental", first.backup_id, chain_limit=1)
    falls_back(limited, "already depends on 1 others")
    manifest = bench.folder / "repository" / INSTANCE / "backups" / full.backup_id / "manifest"
    manifest.write_bytes(manifest.read_bytes()[:-40])
    falls_back(take(bench, postgres15, "local", "incremental", full.backup_id), manifest.name, "damaged")
    request = bench.request(postgres15, "local", type="incremental", base_id=first.backup_id)
    named = take_backup(replace(request, backup_id=""), bench.repository)
    assert "-incremental-" in named.backup_id
    bench.repository.delete_backup(INSTANCE, named.backup_id)
    (manifest.parent / "seal.json").unlink()
    falls_back(take(bench, postgres15, "local", "incremental", first.backup_id), full.backup_id)


def test_another_cluster_version_or_page_size(postgres15: PostgresServer, bench: Bench) -> None:
    full = take(bench, postgres15, "local")
    facts = dict(bench.repository.seal(INSTANCE, full.backup_id).facts)
    request = bench.request(postgres15, type="incremental", base_id=full.backup_id)  # type: ignore[arg-type]
    prepared = preflight.prepare(request)
    assert base_check.problem(request, prepared, facts) is None
    for changes, words in (
        ({"system_identifier": "7"}, "another cluster"),
        ({"server_major": 14}, "PostgreSQL 14, and this is 15"),
        ({"block_size": 16384}, "pages of another size"),
        ({"timeline": 2, "timeline_history": [[1, "0/1"]]}, "does not go on"),
        ({"stop_position": "FFFF/0"}, "set back to an older state"),
        ({"start_position": "nonsense"}, "does not say where"),
    ):
        assert words in str(base_check.problem(request, prepared, facts | changes))
    del facts["start_position"]
    assert "does not say where" in str(base_check.problem(request, prepared, facts))


def test_a_cluster_that_was_accepted_begins_with_a_full(
    postgres15: PostgresServer, make_postgres, bench: Bench
) -> None:
    full = take(bench, postgres15, "local")
    other: PostgresServer = make_postgres()
    with pytest.raises(ForeseenError) as refused:
        take(bench, other, "local", "incremental", full.backup_id)
    assert refused.value.code == "repository.foreign_cluster"
    bench.repository.accept_cluster(INSTANCE, system_identifier(other))
    taken = take(bench, other, "local", "incremental", full.backup_id)
    falls_back(taken, "another cluster", "system identifier")
    assert take(bench, other, "local", "incremental", taken.backup_id).type == "incremental"
    with pytest.raises(ForeseenError) as replaced:
        take(bench, postgres15, "local")
    assert replaced.value.code == "repository.foreign_cluster"
    assert not bench.repository.read(INSTANCE, full.backup_id).verify_decode()


def test_timelines_are_compared_by_their_history() -> None:
    first, second = (1, 100), (2, 200)
    comes = timeline_history.comes_from
    assert comes((), 1, 1, (), 50)
    assert comes((first,), 2, 1, (), 100)
    assert not comes((first,), 2, 1, (), 101), "it ended after the server had left that timeline"
    assert comes((first, second), 3, 2, (first,), 150)
    assert not comes((first, second), 3, 2, ((1, 90),), 150), "another timeline 2"
    assert not comes(((1, 90),), 2, 2, (first,), 150), "another timeline 2"
    assert not comes((), 1, 2, (first,), 150), "a server that went back"
    assert not comes((first, (3, 300)), 4, 2, (first,), 150), "timeline 2 is none of its past"
    assert not comes((first, (2, 60)), 3, 1, (), 80), "restored twice: what lies before 60 is its past"
    text = "1\t0/3000000\tno recovery target\n\n# comment\n2\t1/10\tbefore 2026-11-22\n"
    assert timeline_history.parse(text) == ((1, 0x3000000), (2, 0x100000010))


@pytest.fixture
def busy(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[BusyServer]:
    made = BusyServer(postgres_binaries(15), workdir / "busy-incremental", checksums=True)
    yield made
    made.close()


def test_two_timelines_of_one_number(busy: BusyServer, bench: Bench) -> None:
    full = take(bench, busy.server, "local")
    busy.save()
    busy.promote()
    busy.update(1, 500)
    promoted = take(bench, busy.server, "local", "incremental", full.backup_id)
    assert (promoted.type, promoted.timeline) == ("incremental", 2)
    busy.set_back()
    busy.update(1, 5000)
    busy.promote()
    busy.update(1, 5000)
    falls_back(take(bench, busy.server, "local", "incremental", promoted.backup_id), "does not go on from")


@pytest.mark.slow
def test_killed_at_every_step_of_an_incremental(
    make_postgres, bench: Bench, reader: Reader, warm_python: WarmPython
) -> None:
    server: PostgresServer = make_postgres()
    pgbench(server, "-i", "-q", "-s", "1")
    full = take(bench, server, reader)
    pgbench(server, "-n", "-t", "50")
    dry = run_child(warm_python, bench, server, reader, f"dry-run:{full.backup_id}")
    assert dry.returncode == 0, dry.stderr
    steps = dry.stdout.split()
    assert {"backup.base_chosen", "backup.begun", "backup.data_read", "storage.pack.after_create"} <= set(
        steps
    )
    sealed = {full.backup_id, "dry-run"}
    for number, step in enumerate(steps):
        killed = run_child(warm_python, bench, server, reader, f"killed-{number}:{full.backup_id}", step)
        assert killed.returncode == -signal.SIGKILL, f"{step}: {killed.stderr}"
        if steps.index("backup.after_seal") <= number:
            sealed.add(f"killed-{number}")
        assert set(bench.sealed()) == sealed, step
    nothing_is_left_on(server)
    bench.repository.sweep(INSTANCE)
    result = take(bench, server, reader, "incremental", "dry-run")
    assert result.type == "incremental"
    assert not bench.repository.read(INSTANCE, result.backup_id).verify_decode()


def test_cancelled_in_the_middle(make_postgres, bench: Bench, reader: Reader) -> None:
    server: PostgresServer = make_postgres()
    full = take(bench, server, reader)

    class Impatient(Silent):
        done = 0

        def advance(self, count: int) -> None:
            self.done += count

        def checkpoint(self) -> None:
            if self.done > 1 << 20:
                raise Cancelled

    request = bench.request(server, reader, type="incremental", base_id=full.backup_id)  # type: ignore[arg-type]
    with pytest.raises(Cancelled):
        take_backup(replace(request, backup_id="cancelled"), bench.repository, Impatient())
    assert bench.sealed() == [full.backup_id]
    assert list(bench.spool.iterdir()) == []
    nothing_is_left_on(server)


def test_a_damaged_page_is_told_again(make_postgres, bench: Bench, reader: Reader) -> None:
    """Damage that the full found stays damage; damage since then is found among the changed pages."""
    server: PostgresServer = make_postgres()
    pgbench(server, "-i", "-q", "-s", "2")
    full = take(bench, server, reader)
    with server.connect() as connection:
        path = connection.execute("SELECT pg_relation_filepath('pgbench_accounts')").fetchone()[0]
    server.stop("fast")
    with (server.data / path).open("r+b") as file:
        file.seek(100 * 8192 + 4000)
        file.write(b"rotten")
    server.start()
    found = take(bench, server, reader, "incremental", full.backup_id)
    assert found.type == "incremental"
    assert found.bad_pages == (f"{path} (public.pgbench_accounts) block 100",)
    again = take(bench, server, reader, "incremental", found.backup_id)
    assert again.bad_pages == found.bad_pages
