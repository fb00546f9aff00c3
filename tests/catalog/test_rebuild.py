"""The catalog's loss loses no backup: what is in the repository comes back into a new catalog."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer

LASTING = (
    "[[b.backup_id, b.instance.name, b.instance.identifier, b.repository.name, b.type, b.reader,"
    " b.started_at, b.stopped_at, b.start_position, b.stop_position, b.fingerprint_position, b.timeline,"
    " b.system_identifier, b.server_version, b.files, b.bytes_read, b.bytes_stored, b.object_count,"
    " b.data_key_id, b.bad_pages, b.warnings] for b in Backup.objects.order_by('backup_id')]"
)
INSTANCES = (
    "[[i.name, i.identifier, i.engine, i.host, i.port, i.user, i.database, i.data_directory, i.environment,"
    " i.tier.name, i.region, i.tls_mode, i.system_identifier] for i in Instance.objects.order_by('name')]"
)


def lose_catalog(installation: Installation, migrated_database: Path) -> None:
    """What the loss and a `migrate` leave behind, without waiting for it once more."""
    for file in installation.home.glob("db.sqlite3*"):
        file.unlink()
    shutil.copy(migrated_database, installation.home / "db.sqlite3")


def test_rows_come_back_as_they_were(
    installation: Installation, postgres15: PostgresServer, postgres17: PostgresServer
) -> None:
    installation.add_repository()
    more = ("--data-directory", str(postgres15.data), "--region", "eu-central-1", "--tls-mode", "disable")
    installation.add_instance(postgres15, "orders", *more)
    installation.add_instance(postgres17, "billing")
    for name in ("orders", "billing", "orders"):
        installation.answer("backup", name)
    before = {query: installation.rows(query) for query in (LASTING, INSTANCES)}
    assert len(before[LASTING]) == 3

    for file in installation.home.glob("db.sqlite3*"):
        file.unlink()
    installation.migrate()
    installation.add_repository()
    rebuilt = installation.answer("rebuild_catalog", "local")
    assert sorted(rebuilt["instances"]) == ["billing", "orders"]
    assert len(rebuilt["backups"]) == 3
    assert {query: installation.rows(query) for query in before} == before
    # What was proved was written down in the lost catalog only, so it has to be proved again.
    assert installation.rows("sorted(set(Backup.objects.values_list('state', flat=True)))") == ["stored"]

    again = installation.answer("rebuild_catalog", "local")
    assert (again["instances"], again["backups"], again["known"]) == ([], [], 3)
    assert installation.rows("Backup.objects.count()") == 3
    assert installation.answer("verify_audit")["passed"] is True

    backup_id = before[LASTING][0][0]
    assert installation.answer("verify", backup_id, "--level", "decode")["passed"] is True
    assert installation.rows(f"Backup.objects.get(backup_id='{backup_id}').state") == "checked"
    installation.answer("change_instance", "orders", "--password-file", "-", stdin=postgres15.password)
    assert installation.answer("backup", "orders")["state"] == "checked"


def test_damaged_seals_are_named_and_the_rest_comes_back(
    installation: Installation, postgres15: PostgresServer, migrated_database: Path
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken: list[dict[str, Any]] = [installation.answer("backup", "orders") for _ in range(2)]
    seal = next(installation.repository.rglob(f"{taken[0]['backup_id']}/seal.json"))
    seal.write_bytes(seal.read_bytes()[:-20])
    lose_catalog(installation, migrated_database)
    installation.add_repository()
    rebuilt = installation.answer("rebuild_catalog", "local")
    assert rebuilt["backups"] == [taken[1]["backup_id"]]
    assert len(rebuilt["damaged"]) == 1
    assert taken[0]["backup_id"] in rebuilt["damaged"][0]


def test_without_the_key_it_is_one_clear_sentence(
    installation: Installation, postgres15: PostgresServer, migrated_database: Path
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    installation.answer("backup", "orders")
    for file in (installation.home / "keys").iterdir():
        file.unlink()
    lose_catalog(installation, migrated_database)
    installation.add_repository()  # a new key is made: it opens nothing that is there
    ran = installation.run("rebuild_catalog", "local", "--json")
    assert (ran.code, ran.error) == (1, "key.missing")
    assert installation.rows("Backup.objects.count()") == 0


def test_a_lost_keyring_is_not_replaced_behind_your_back(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    (installation.home / "keys" / "keyring.json").unlink()
    assert installation.run("backup", "orders", "--json").error == "key.file_missing"
    ran = installation.run("add_repository", "second", str(installation.repository) + "2", "--json")
    assert ran.error == "key.file_missing"
    assert not (installation.home / "keys" / "keyring.json").exists()
