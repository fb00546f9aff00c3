"""The rescue: repository and key are enough. No Django, no catalog; exit codes and JSON as promised."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataprotect.storage.keys.local import LocalKeyring
from tests.engine.postgresql import protected
from tests.engine.postgresql.conftest import INSTANCE
from tests.engine.postgresql.protected import Protected, names_in
from tests.servers.postgresql import PostgresServer, free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def source(workdir: Path, postgres_binaries: Callable[[int], Path]) -> Iterator[Protected]:
    yield from protected.protect(workdir / "rescue", postgres_binaries(15))


@pytest.fixture(autouse=True)
def stop_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "STOP"
    monkeypatch.setenv("EMERGENCY_STOP_FILE", str(place))
    return place


def rescue(source: Protected, *words: str, key_file: Path | None = None) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON object (empty when there is none), stderr."""
    common = [
        "--repository", source.bench.repository.url,
        "--key-file", str(key_file or source.bench.keys / "keys.json"),
    ]  # fmt: skip
    argv = [sys.executable, "-m", "tests.rescue.without_django", *words, *common, "--json"]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    last = ended.stdout.strip().splitlines()[-1:] or ["{}"]
    return ended.returncode, json.loads(last[0]), ended.stderr


def test_list_tells_what_there_is(source: Protected) -> None:
    code, answer, _ = rescue(source, "list")
    assert code == 0
    (found,) = answer["backups"]
    assert found["backup_id"] == source.backup_id
    assert found["instance_id"] == INSTANCE
    assert found["server_version"].startswith("15.")
    assert found["bytes"] > found["bytes_stored"] > 0
    assert answer["damaged"] == []


@pytest.mark.parametrize("level", ["checksum", "decode", "restore"])
def test_verify_at_every_level(source: Protected, level: str) -> None:
    code, answer, said = rescue(source, "verify", source.backup_id, "--level", level)
    assert code == 0, said
    assert answer["passed"] is True
    assert {"name", "passed", "expected", "found"} == set(answer["checks"][0])
    assert (answer["rto_seconds"] is not None) == (level == "restore")


def test_restore_brings_a_server_back(source: Protected) -> None:
    folder = source.bench.folder / "rescued"
    folder.mkdir(mode=0o711)
    code, answer, said = rescue(
        source,
        "restore",
        source.backup_id,
        "--to",
        str(folder / "data"),
        "--map-tablespace",
        f"fast={folder}/fast",
    )
    assert code == 0, said
    assert answer["data_directory"] == str(folder / "data")
    server = PostgresServer(source.server.bin, folder, port=free_port(), password=source.server.password)
    control = [server.bin / "pg_ctl", "-D", server.data, "-l", server.data / "log", "-w"]
    server.run(*control, "-o", f"-p {server.port} -c unix_socket_directories=", "start")
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with server.connect() as connection:
                row = connection.execute("SELECT count(*), pg_is_in_recovery() FROM shop.orders").fetchone()
            if row == (4000, False):
                break
        assert row == (4000, False)
    finally:
        server.stop("fast")


def test_the_emergency_stop_is_honoured_and_a_reason_goes_past_it(source: Protected, stop_file: Path) -> None:
    stop_file.write_text("restoring onto the wrong host")
    target = source.bench.folder / "stopped"
    words = ("restore", source.backup_id, "--to", str(target), "--map-tablespace", f"fast={target}-fast")
    code, answer, _ = rescue(source, *words)
    assert (code, answer["error"]["code"]) == (1, "stop.active")
    assert "restoring onto the wrong host" in answer["error"]["message"]
    assert not target.exists()
    code, answer, said = rescue(source, *words, "--despite-emergency-stop", "the dashboard is lost too")
    assert code == 0, said
    assert "Going on because: the dashboard is lost too" in said
    assert answer["despite_emergency_stop"]["reason"] == "the dashboard is lost too"
    assert "restoring onto the wrong host" in answer["despite_emergency_stop"]["stop"]


def test_a_wrong_key_is_one_clear_sentence(source: Protected, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    LocalKeyring.create(tmp_path / "other.json")
    code, answer, said = rescue(source, "verify", source.backup_id, key_file=tmp_path / "other.json")
    assert code == 1
    assert answer["error"]["code"] == "key.missing"
    assert "Traceback" not in said


def test_an_unknown_backup_is_said(source: Protected) -> None:
    code, answer, said = rescue(source, "restore", "no-such-backup", "--to", str(source.bench.folder / "x"))
    assert (code, answer["error"]["code"]) == (1, "backup.missing")
    assert set(answer["error"]) == {"code", "message", "action"}
    assert "Traceback" not in said
    assert "x" not in names_in(source.bench.folder)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("destroy",),
        ("restore", "b"),
        ("verify", "b", "--level", "everything"),
        ("restore", "b", "--to", "/x", "--map-tablespace", "fast"),
        ("restore", "b", "--to", "/x", "--despite-emergency-stop", "because"),
    ],
)
def test_what_is_not_understood_ends_with_two(source: Protected, words: tuple[str, ...]) -> None:
    code, _, said = rescue(source, *words)
    assert code == 2
    assert "usage:" in said


def test_damage_is_named_and_fails_the_command(source: Protected) -> None:
    seal = source.bench.repository.seal(INSTANCE, source.backup_id)
    pack = next(item.name for item in seal.objects if item.name.startswith("packs/"))
    file = Path(source.bench.repository.url.removeprefix("file://")) / (seal.folder + pack)
    mode, good = file.stat().st_mode, file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 255]))
    try:
        code, answer, _ = rescue(source, "verify", source.backup_id, "--level", "decode")
    finally:
        file.write_bytes(good)
        file.chmod(mode)
    assert (code, answer["passed"], answer["error"]["code"]) == (1, False, "backup.damaged")
    assert any(pack in check["name"] or pack in check["found"] for check in answer["checks"])
