"""Rereading in parts: every object once per pass, whatever the portions, and no damage slips through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataprotect.core.progress import Silent
from dataprotect.storage import scrubbing
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.logs import LogReader
from dataprotect.storage.repository import Repository
from dataprotect.storage.scrubbing import PER_OBJECT, Scrubbed, scrub_logs, scrub_part
from tests.storage.logs.wal import ship, ship_slice, writer
from tests.storage.trees import INSTANCE, make_repository, root_of, store

BACKUP = "b-1"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = make_repository(tmp_path_factory.mktemp("scrub"))
    files = {f"f{number}": os.urandom(200_000) for number in range(12)}
    store(repository, BACKUP, files, pack_bytes=1 << 18)
    return repository


def whole_pass(repository: Repository, budget: int) -> list[Scrubbed]:
    parts, after = [], ""
    while not parts or not parts[-1].complete:
        part = scrub_part(repository, INSTANCE, BACKUP, after=after, budget=budget, reporter=Silent())
        parts.append(part)
        after = part.cursor
    return parts


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(budget=st.integers(-1, 4 << 20))
def test_every_object_is_read_once_per_pass(stored: Repository, budget: int) -> None:
    names = [item.name for item in stored.seal(INSTANCE, BACKUP).objects]
    parts = whole_pass(stored, budget)
    assert sorted(name for part in parts for name in part.names) == sorted(names)
    assert all(part.names for part in parts), "a share too small for one object still moves on"
    assert all(part.cost <= max(budget, 0) + PER_OBJECT + (2 << 20) for part in parts)
    assert not any(part.findings for part in parts)
    assert parts[-1].cursor == ""


def test_a_flipped_byte_in_any_object_is_found_and_named(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    seal = store(repository, BACKUP, {f"f{n}": os.urandom(90_000) for n in range(4)}, pack_bytes=1 << 17)
    for item in seal.objects:
        file = root_of(repository) / (seal.folder + item.name)
        whole = file.read_bytes()
        file.chmod(0o600)
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        found = [finding for part in whole_pass(repository, 1) for finding in part.findings]
        assert [finding.object_name for finding in found] == [seal.folder + item.name]
        file.write_bytes(whole)
    assert not [finding for part in whole_pass(repository, 1) for finding in part.findings]


def test_what_is_missing_or_too_much_is_found(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    seal = store(repository, BACKUP, {"f": os.urandom(90_000)})
    folder = root_of(repository) / seal.folder
    (folder / "packs/00000001").unlink()
    (folder / "packs/00000009").write_bytes(b"not ours")
    found = {f.object_name: f.problem for part in whole_pass(repository, 1) for f in part.findings}
    assert found == {
        f"{seal.folder}packs/00000001": "it is missing",
        f"{seal.folder}packs/00000009": "it does not belong to this backup",
    }


def test_a_damaged_seal_is_not_trusted(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    seal = store(repository, BACKUP, {"f": b"x" * 1000})
    file = root_of(repository) / (seal.folder + "seal.json")
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b'"size":', b'"size" :', 1))
    with pytest.raises(DamagedObject):
        scrub_part(repository, INSTANCE, BACKUP, after="", budget=1, reporter=Silent())


def log_pass(repository: Repository, budget: int) -> list[Scrubbed]:
    parts, after = [], ""
    while not parts or not parts[-1].complete:
        parts.append(scrub_logs(repository, INSTANCE, after=after, budget=budget, reporter=Silent()))
        after = parts[-1].cursor
    return parts


def test_stored_log_is_reread_once_per_pass_and_damage_is_named(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    out = writer(repository)
    for number in range(3, 8):
        ship(out, number)
    ship_slice(out, 8, 0, 700)
    names = [item.name for item in LogReader(repository, INSTANCE).objects()]
    assert len(names) == 6
    for budget in (1, 200_000, 1 << 30):
        parts = log_pass(repository, budget)
        assert [name for part in parts for name in part.names] == sorted(names)
        assert not any(part.findings for part in parts)
    assert len(log_pass(repository, 1)) == 6
    file = root_of(repository) / names[2]
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:])
    found = [finding for part in log_pass(repository, 1) for finding in part.findings]
    assert [finding.object_name for finding in found] == [names[2]]


def test_log_that_expires_meanwhile_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path)
    out = writer(repository)
    ship(out, 3)
    ship(out, 4)
    listed = list(LogReader(repository, INSTANCE).objects())
    repository.backend.delete(listed[0].name)
    monkeypatch.setattr(LogReader, "objects", lambda self: iter(listed))
    assert not [finding for part in log_pass(repository, 1) for finding in part.findings]


def test_the_cost_counts_objects_as_well_as_bytes() -> None:
    assert scrubbing.cost(1000, 3) == 1000 + 3 * PER_OBJECT
