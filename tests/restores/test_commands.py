"""Restoring to a folder and to a clone, by the commands, with real servers afterwards."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.catalog.installation import Installation
from tests.servers.postgresql import DEBIAN_15, PostgresServer, free_port, make_reachable, unprivileged_user


def test_a_restored_folder_starts_with_the_servers_own_programs(
    installation: Installation, make_postgres: Callable[..., PostgresServer], workdir: Path
) -> None:
    server = make_postgres()
    space, odd, target, moved = (workdir / name for name in ("space", "odd", "restored", "restored-space"))
    user = unprivileged_user()
    for folder in (space, odd):
        folder.mkdir()
        if user:
            shutil.chown(folder, user, user)
    with server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE fast LOCATION '{space}'")
        connection.execute(f"CREATE TABLESPACE \"Odd-1; --\" LOCATION '{odd}'")
        connection.execute('CREATE TABLE odd TABLESPACE "Odd-1; --" AS SELECT 1 AS id')
        connection.execute("CREATE TABLE kept TABLESPACE fast AS SELECT generate_series(1, 1000) AS id")
    installation.add_repository()
    installation.add_instance(server, "orders", "--data-directory", str(server.data))
    taken = installation.answer("backup", "orders")
    words = ["restore_files", taken["backup_id"], "--to", str(target)]
    unmapped = installation.run(*words, "--json")
    assert unmapped.code == 1 and not target.exists(), "nothing is written before every place is known"
    words += ["--map-tablespace", f"fast={moved}"]
    odd_one = installation.run(*words, "--json").json["error"]["action"]
    # A name that may not be typed is called by its OID, as the refusal says.
    oid = re.search(r"--map-tablespace (\d+)=", odd_one)
    assert oid is not None, odd_one
    words += ["--map-tablespace", f"{oid.group(1)}={moved}-odd"]
    mapped = installation.answer(*words)
    assert mapped["data_directory"] == str(target)
    assert installation.run(*words, "--json").code == 1
    assert installation.rows("RestoredFolder.objects.get().folder") == str(target)
    restored = PostgresServer(DEBIAN_15, workdir / "restored-run", port=free_port(), password="superword")
    restored.folder.mkdir()
    make_reachable(restored.folder)
    if user:
        shutil.chown(restored.folder, user, user)
    target.rename(restored.data)
    with (restored.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {restored.port}\nunix_socket_directories = '{restored.folder}'\n")
    try:
        restored.start()
        with restored.connect() as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    finally:
        restored.stop()
        for folder in (space, restored.folder, moved):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("version", ["postgres15", "postgres17"])
def test_a_clone_answers_and_is_gone_after_the_drop(
    installation: Installation, version: str, request: pytest.FixtureRequest
) -> None:
    server: PostgresServer = request.getfixturevalue(version)
    installation.add_repository()
    installation.add_instance(server)
    taken = installation.answer("backup", "orders")
    clone = installation.answer("clone", taken["backup_id"])
    assert set(clone) == {"clone_id", "dsn", "data_directory"}
    try:
        with psycopg.connect(clone["dsn"]) as connection:
            found = connection.execute(
                "SELECT current_setting('archive_mode'), current_setting('listen_addresses'),"
                " pg_is_in_recovery()"
            ).fetchone()
        assert found == ("off", "", False)
        assert installation.rows("[[c.clone_id, c.state] for c in Clone.objects.all()]") == [
            [clone["clone_id"], "ready"]
        ]
    finally:
        dropped = installation.answer("drop_clone", clone["clone_id"])
    assert dropped["state"] == "dropped"
    assert not Path(clone["data_directory"]).exists()
    again = installation.run("drop_clone", clone["clone_id"], "--json")
    assert (again.code, again.error) == (1, "clone.dropped")
    assert installation.answer("verify_audit")["passed"] is True


def test_expired_and_lost_clones_are_swept(installation: Installation, postgres15: PostgresServer) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken = installation.answer("backup", "orders")
    clone = installation.answer("clone", taken["backup_id"])
    sweep = "__import__('restores.services', fromlist=['x']).clone_sweep(actor='system')"
    assert installation.rows(sweep) == []
    installation.rows("Clone.objects.update(expires_at='2026-01-01T00:00:00Z')")
    assert installation.rows(sweep) == [clone["clone_id"]]
    assert not Path(clone["data_directory"]).exists()
    assert installation.rows("Clone.objects.get().state") == "dropped"
