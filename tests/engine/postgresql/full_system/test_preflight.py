"""What would fail later is said before anything is done, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine import full_system
from dataprotect.engine.full_system_model import FullSystemRequest, Hooks
from dataprotect.engine.model import Check
from tests.engine.postgresql.full_system.stage import Stage


def checks(whole: Stage, request: FullSystemRequest) -> dict[str, Check]:
    found = full_system.preflight(whole.bench.repository, request, full_system.origin(request))
    return {check.name: check for check in found}


def failed(whole: Stage, request: FullSystemRequest) -> dict[str, str]:
    return {name: each.found for name, each in checks(whole, request).items() if each.passed is False}


def test_a_server_that_may_be_restored(whole: Stage) -> None:
    found = checks(whole, whole.request(choice=whole.choice))
    assert {name for name, each in found.items() if each.passed is not True} == set()
    assert {
        "data directory can be exchanged", "names of the folders", "stop hook", "start hook",
        "configuration of the machine", "the address is this server's", "stopping can be verified",
        "nobody follows this server", "backup can be read", "major version", "programs on this machine",
        "whose backup it is", "the account is in the backup", "places of the tablespaces", "free space",
    } == set(found)  # fmt: skip
    assert not whole.beside()


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((), "empty"),
        (("/no/such/program",), "there is no program /no/such/program"),
        (("no-such-program", "stop"), "on PATH"),
        (("/etc/passwd",), "is not executable"),
        (("bin/stop",), "absolute path"),
    ],
)
def test_a_hook_that_cannot_be_run(whole: Stage, argv: tuple[str, ...], why: str) -> None:
    found = failed(whole, whole.request(Hooks(argv, argv)))
    assert set(found) == {"stop hook", "start hook"}
    assert why in found["stop hook"]


def test_a_folder_that_is_in_the_way(whole: Stage) -> None:
    request = whole.request()
    kept = full_system.names(request).kept
    kept.mkdir()
    try:
        assert str(kept) in failed(whole, request)["names of the folders"]
    finally:
        kept.rmdir()


def test_an_account_that_the_backup_does_not_know(whole: Stage) -> None:
    with whole.server.connect() as connection:
        connection.execute("CREATE ROLE later_admin LOGIN SUPERUSER PASSWORD 'superword'")
    try:
        request = whole.request()
        address = replace(request.target.address, user="later_admin")
        request = replace(request, target=replace(request.target, address=address))
        assert failed(whole, request) == {"the account is in the backup": "it is not"}
    finally:
        with whole.server.connect() as connection:
            connection.execute("DROP ROLE later_admin")


def test_followers_are_named(whole: Stage) -> None:
    with whole.server.connect() as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('standby')")
    try:
        found = checks(whole, whole.request())["nobody follows this server"]
        assert found.passed is None and "slots: 1" in found.found
    finally:
        with whole.server.connect() as connection:
            connection.execute("SELECT pg_drop_replication_slot('standby')")


def test_another_version_and_another_server(whole: Stage, postgres15) -> None:
    """The directory is 15's; backup and address are those of 17."""
    request = whole.request()
    request = replace(request, target=replace(request.target, data_directory=postgres15.data))
    found = checks(whole, request)
    assert found["major version"].passed is False
    assert found["the address is this server's"].passed is False
    assert found["whose backup it is"].passed is None
    assert "dataprotect" not in " ".join(each.name for each in postgres15.folder.iterdir())


def test_a_tablespace_without_a_place(whole: Stage, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    found = failed(whole, whole.request(tablespace_map={"fast": missing}))
    assert f"there is no folder {missing}" in found["places of the tablespaces"]
    inside = whole.server.data / "base"
    found = failed(whole, whole.request(tablespace_map={"fast": inside}))
    assert "inside the data directory" in found["places of the tablespaces"]


def test_a_backup_that_is_not_there(whole: Stage) -> None:
    assert set(failed(whole, whole.request(backup_id="no-such"))) == {"backup can be read"}


def test_what_is_no_data_directory_is_refused(whole: Stage, tmp_path: Path) -> None:
    request = whole.request()
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ForeseenError) as error:
            full_system.origin(replace(request, target=replace(request.target, data_directory=place)))
        assert error.value.code == "full_system.no_directory"


@pytest.mark.parametrize("restore_id", ["", "a/b", "..", "a_b", "x" * 33])
def test_an_id_that_leads_elsewhere_is_refused(whole: Stage, restore_id: str) -> None:
    with pytest.raises(InvalidInput):
        full_system.origin(whole.request(restore_id=restore_id))


@pytest.mark.parametrize(
    "name", ["../outside", "", "base", "pg_wal", "pg_xact", "global", "backup_label", "."]
)
def test_machine_files_are_plain_names(whole: Stage, name: str) -> None:
    with pytest.raises(InvalidInput):
        checks(whole, whole.request(machine_files=(name,)))
