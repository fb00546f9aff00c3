"""Targets by the commands and the rescue, on an installation whose log is streamed while rows are written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository
from tests.catalog.installation import ROOT, Installation
from tests.engine.postgresql.pitr import streamed
from tests.servers.postgresql import PostgresServer


@pytest.fixture
def server(make_postgres: Callable[..., PostgresServer]) -> PostgresServer:
    return make_postgres()


def test_an_instant_by_instance_name_and_by_rescue(
    installation: Installation, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.add_repository()
    installation.add_instance(server)
    identifier = installation.rows("Instance.objects.get().identifier")
    key_file = installation.home / "keys" / "keyring.json"
    repository = Repository.open(str(installation.repository), LocalKeyring.load(key_file), write=True)
    (installation.home / "spool").mkdir(exist_ok=True)
    bench = SimpleNamespace(
        repository=repository, spool=installation.home / "spool", folder=installation.home
    )
    monkeypatch.setattr(streamed, "INSTANCE", identifier)
    with streamed.streaming(server, bench) as collecting, server.connect() as connection:  # type: ignore[arg-type]
        taken = installation.answer("backup", "orders")
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
        time.sleep(2.5)
        between = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
        time.sleep(1.2)
        connection.execute("DELETE FROM kept")
        time.sleep(1.2)
        collecting.settle()
    made = installation.answer("clone", "--instance", "orders", "--target-time", between)
    try:
        assert (made["backup_id"], made["target"]) == (taken["backup_id"], between)
        assert made["reached_at"] <= between and made["reached_reason"].startswith("before ")
        with psycopg.connect(made["dsn"]) as clone:
            assert clone.execute("SELECT count(*) FROM kept").fetchone() == (1,), "what DELETE took is there"
        row = installation.rows("[Clone.objects.get().target, Clone.objects.get().reached_reason]")
        assert row == [between, made["reached_reason"]]
    finally:
        installation.answer("drop_clone", made["clone_id"])
    words = [
        "restore", "--repository", str(installation.repository), "--key-file", str(key_file),
        "--target-time", between, "--to", str(installation.home / "rescued"), "--json",
    ]  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "dataprotect.rescue", *words], cwd=ROOT, env=installation.env(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout.splitlines()[-1])
    assert answer["recovery"]["target"] == between and answer["recovery"]["backup_id"] == taken["backup_id"]
    auto = (Path(answer["data_directory"]) / "postgresql.auto.conf").read_text()
    stamp = between.replace("T", " ").replace("Z", ".000000+00")
    assert f"recovery_target_time = '{stamp}'" in auto


def test_what_cannot_be_reached_is_refused_with_what_can(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    early = installation.run("clone", "--instance", "orders", "--latest", "--json")
    assert (early.code, early.error) == (1, "target.no_window")
    taken = installation.answer("backup", "orders")
    windows = installation.answer("recovery_windows", "orders")
    (point,) = windows["windows"]
    assert (point["backups"], point["point"], windows["gaps"]) == ([taken["backup_id"]], True, [])
    refused = installation.run(
        "clone", "--instance", "orders", "--target-time", "2020-01-01T00:00:00Z", "--json"
    )
    assert (refused.code, refused.error) == (1, "target.outside")
    assert point["start"] in refused.json["error"]["message"]
    for words, code in [
        (["--instance", "orders"], "input.target"),
        (["--latest"], "input.backup_id"),
        (["--instance", "orders", "--target-time", "2026-11-22 15:07:58"], "input.timestamp"),
        (["--instance", "orders", "--target-time", "2999-01-01T00:00:00Z"], "input.timestamp"),
        (["--instance", "orders", "--target-lsn", "0/XYZ"], "input.target_lsn"),
        (["--instance", "orders", "--target-name", ""], "input.target_name"),
    ]:
        ran = installation.run("clone", *words, "--json")
        assert (ran.code, ran.error) == (1, code), ran.out + ran.err
    made = installation.answer("clone", taken["backup_id"], "--latest")
    assert made["reached_reason"] == "no recovery target specified"
    installation.answer("drop_clone", made["clone_id"])
