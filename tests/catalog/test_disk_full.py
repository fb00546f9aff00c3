"""A repository that fills up: a clear answer, and nothing half-written is ever called a backup."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer

SIZE = 24 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk this needs")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_the_disk_fills_up_during_a_backup(
    installation: Installation, make_postgres: Callable[..., PostgresServer], small_disk: Path
) -> None:
    server = make_postgres()
    installation.add_repository(place=small_disk / "repository")
    installation.add_instance(server)
    good = installation.answer("backup", "orders")
    with server.connect() as connection:
        # Random bytes do not compress, so that the preflight's quarter fits and the backup does not.
        connection.execute("CREATE EXTENSION pgcrypto")
        connection.execute(
            "CREATE TABLE noise AS SELECT gen_random_bytes(1000) FROM generate_series(1, 28000)"
        )
    sealed = sorted((small_disk / "repository").rglob("seal.json"))
    ran = installation.run("backup", "orders", "--json")
    assert ran.code == 1
    assert ran.error == "storage.full", ran.out
    assert sorted((small_disk / "repository").rglob("seal.json")) == sealed
    assert installation.rows("[b.backup_id for b in Backup.objects.all()]") == [good["backup_id"]]
    assert installation.rows("[j.state for j in Job.objects.filter(kind='run_backup')]") == [
        "failed",
        "succeeded",
    ]
    assert installation.answer("verify", good["backup_id"], "--level", "decode")["passed"] is True
    with server.connect() as connection:
        connection.execute("DROP TABLE noise")
        connection.execute("CHECKPOINT")
    assert installation.answer("backup", "orders")["state"] == "checked"


def test_no_room_at_all_is_refused_before_a_byte(
    installation: Installation, postgres15: PostgresServer, small_disk: Path
) -> None:
    installation.add_repository(place=small_disk / "repository")
    installation.add_instance(postgres15)
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(b"\0" * (shutil.disk_usage(small_disk).free - (1 << 20)))
    ran = installation.run("backup", "orders", "--json")
    assert (ran.code, ran.error) == (1, "backup.no_room")
    assert installation.rows("Backup.objects.count()") == 0
