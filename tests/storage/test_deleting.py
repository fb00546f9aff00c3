"""Deleting backups: each is whole or gone at every moment, and nothing that is needed goes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from dataprotect.core import steps
from dataprotect.core.errors import Cancelled, ForeseenError, InvalidInput
from dataprotect.core.progress import Silent
from dataprotect.storage.documents import sealed_document
from dataprotect.storage.keys import wrapping
from dataprotect.storage.repository import Repository
from tests.storage.trees import (
    INSTANCE,
    fill,
    make_repository,
    open_repository,
    proved,
    restored,
    root_of,
    store,
)
from tests.warm import WarmPython

FILES = {f"file{number}": os.urandom(3000) for number in range(3)}
FOLDER = f"{INSTANCE}/backups/doomed/"

# The child counts the steps it reaches and kills itself at the given one; with -1 it tells them all.
CHILD = """
import os, signal, sys
from pathlib import Path
from dataprotect.core import steps
from tests.storage.trees import INSTANCE, open_repository

folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
repository = open_repository(folder, write=True)
reached = []

def hook(name):
    reached.append(name)
    if len(reached) - 1 == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

steps.hook = hook
repository.delete_backup(INSTANCE, "doomed")
print("\\n".join(reached))
"""


@pytest.fixture(autouse=True)
def no_hook_stays(monkeypatch):
    monkeypatch.setattr(steps, "hook", steps.hook)


def names(repository: Repository) -> list[str]:
    return [item.name for item in repository.backend.list()]


def prepare(folder: Path) -> list[str]:
    """Two backups, `kept` and `doomed`; returns the objects that must be there when `doomed` is gone."""
    folder.mkdir(exist_ok=True)
    repository = make_repository(folder)
    store_in_packs(repository, "kept")
    without = names(repository)
    store_in_packs(repository, "doomed")
    return without


def store_in_packs(repository: Repository, backup_id: str) -> None:
    """Every file is a chunk of its own, and a pack takes one chunk."""
    with repository.begin(INSTANCE, backup_id, pack_bytes=2048, threads=1) as writer:
        for path, data in FILES.items():
            fill(writer, {path: data})
        writer.finish()


def run_child(warm: WarmPython, folder: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    return warm.run(["-c", CHILD, str(folder), str(fatal)], env=os.environ, stdin="", timeout=60)


def test_everything_of_it_goes_and_nothing_else(tmp_path):
    without = prepare(tmp_path)
    repository = open_repository(tmp_path, write=True)
    expected = list(repository.backend.list(FOLDER))
    deleted = repository.delete_backup(INSTANCE, "doomed")
    assert names(repository) == without
    assert (deleted.objects, deleted.bytes) == (len(expected), sum(item.size for item in expected))
    assert proved(repository, "kept") == [] and restored(repository, "kept") == FILES
    assert repository.delete_backup(INSTANCE, "doomed").objects == 0, "twice is once"


def test_the_reading_door_deletes_nothing(tmp_path):
    prepare(tmp_path)
    with pytest.raises(ForeseenError) as caught:
        open_repository(tmp_path).delete_backup(INSTANCE, "doomed")
    assert caught.value.code == "repository.read_only"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_at_every_step(tmp_path, warm_python):
    prepare(tmp_path / "count")
    all_steps = run_child(warm_python, tmp_path / "count", -1).stdout.split()
    last = all_steps.index("deletion.before_seal")
    assert len(all_steps) > 15 and 0 < last < len(all_steps) - 5
    for fatal, step in enumerate(all_steps):
        without = prepare(tmp_path / f"at-{fatal}")
        assert run_child(warm_python, tmp_path / f"at-{fatal}", fatal).returncode == -signal.SIGKILL
        repository = open_repository(tmp_path / f"at-{fatal}", write=True)
        assert_whole_or_gone(repository, step, sealed=fatal <= last)
        assert [seal.backup_id for seal in repository.seals()][-1] == "kept"
        assert proved(repository, "kept") == []
        repository.delete_backup(INSTANCE, "doomed")
        assert names(repository) == without, f"leftovers after a kill at {step}"
        assert repository.half_deleted(INSTANCE) == []


def assert_whole_or_gone(repository: Repository, step: str, *, sealed: bool) -> None:
    """Before its seal went it can be spared and is whole; after that no reader finds a backup."""
    listed = "doomed" in {seal.backup_id for seal in repository.seals()}
    assert listed is (sealed and not repository.half_deleted(INSTANCE)), step
    assert not listed or "mark" in step or "object" in step, step
    if not sealed:
        assert not repository.spare_backup(INSTANCE, "doomed"), step
        with pytest.raises(ForeseenError) as caught:
            repository.read(INSTANCE, "doomed")
        assert caught.value.code == "backup.missing", step
        return
    assert repository.spare_backup(INSTANCE, "doomed"), step
    assert restored(repository, "doomed") == FILES, step
    assert proved(repository, "doomed") == [], step


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_after_a_kill_leaves_nothing_of_what_lost_its_seal(tmp_path, warm_python):
    prepare(tmp_path / "count")
    all_steps = run_child(warm_python, tmp_path / "count", -1).stdout.split()
    for fatal in range(all_steps.index("deletion.before_seal") + 1, len(all_steps), 3):
        without = prepare(tmp_path / f"at-{fatal}")
        run_child(warm_python, tmp_path / f"at-{fatal}", fatal)
        repository = open_repository(tmp_path / f"at-{fatal}", write=True)
        repository.sweep(INSTANCE)
        assert names(repository) == without, all_steps[fatal]


@pytest.mark.parametrize("number", range(1, 11))
def test_a_storage_error_at_any_deletion_is_resumed(tmp_path, number):
    without = prepare(tmp_path)
    repository = open_repository(tmp_path, write=True)
    calls = []
    delete = repository.backend.delete

    def failing(name):
        calls.append(name)
        if len(calls) == number:
            raise ForeseenError("storage.unavailable", "The disk does not answer.", "Look.", retry=True)
        delete(name)

    repository.backend.delete = failing  # type: ignore[method-assign]
    try:
        repository.delete_backup(INSTANCE, "doomed")
    except ForeseenError as error:
        assert error.code == "storage.unavailable"
        assert len(calls) == number
    else:
        assert len(calls) < number
    repository.backend.delete = delete  # type: ignore[method-assign]
    repository.delete_backup(INSTANCE, "doomed")
    assert names(repository) == without


def test_it_ends_at_a_safe_point_and_goes_on_later(tmp_path):
    without = prepare(tmp_path)
    repository = open_repository(tmp_path, write=True)

    class Stopped(Silent):
        def checkpoint(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        repository.delete_backup(INSTANCE, "doomed", Stopped())
    assert repository.half_deleted(INSTANCE) == ["doomed"]
    assert repository.delete_backup(INSTANCE, "doomed").objects == len(FILES) + 3, "as it began"
    assert names(repository) == without


def test_a_damaged_tombstone_or_reservation_keeps_nothing_from_going(tmp_path):
    without = prepare(tmp_path)
    repository = open_repository(tmp_path, write=True)
    root = Path(tmp_path / "repository")
    (root / FOLDER / "deleting.json").write_bytes(b"rubbish")
    (root / FOLDER / "begun.json").write_bytes(b"rubbish")
    repository.delete_backup(INSTANCE, "doomed")
    assert names(repository) == without


def test_a_mark_can_be_taken_back(tmp_path):
    prepare(tmp_path)
    repository = open_repository(tmp_path, write=True)
    before = names(repository)
    repository.mark_backup(INSTANCE, "doomed")
    assert [seal.backup_id for seal in repository.seals()] == ["kept"]
    assert repository.spare_backup(INSTANCE, "doomed")
    assert names(repository) == before and proved(repository, "doomed") == []
    repository.mark_backup(INSTANCE, "nowhere")
    assert names(repository) == before


def test_a_parent_that_is_needed_stays_whole(repository):
    store(repository, "parent", FILES)
    store(repository, "child", {"own": b"x"}, type="incremental", parents=["parent"])
    before = names(repository)
    with pytest.raises(ForeseenError) as caught:
        repository.delete_backup(INSTANCE, "parent")
    assert caught.value.code == "backup.needed" and "child" in caught.value.message
    assert names(repository) == before
    assert proved(repository, "parent") == [] and proved(repository, "child") == []
    repository.delete_backup(INSTANCE, "child")
    repository.delete_backup(INSTANCE, "parent")
    assert [name for name in names(repository) if "/backups/" in name or "/keys/" in name] == []


@pytest.mark.parametrize("damaged", ["begun.json", "begun.json seal.json"])
def test_a_dependent_that_can_hardly_be_read_still_counts(repository, damaged):
    """From the seal when the reservation is damaged; when both are, it may need anything."""
    store(repository, "parent", FILES)
    store(repository, "child", {"own": b"x"}, type="incremental", parents=["parent"])
    for name in damaged.split():
        (root_of(repository) / f"{INSTANCE}/backups/child/{name}").write_bytes(b"rubbish")
    with pytest.raises(ForeseenError) as caught:
        repository.delete_backup(INSTANCE, "parent")
    assert caught.value.code == "backup.needed"
    assert proved(repository, "parent") == []


def test_reservations_of_older_versions_name_no_parents_so_the_seal_does(repository):
    store(repository, "parent", FILES)
    store(repository, "child", {"own": b"x"}, type="incremental", parents=["parent"])
    path = root_of(repository) / f"{INSTANCE}/backups/child/begun.json"
    old = {"format": 1, "instance_id": INSTANCE, "backup_id": "child", "started_at": "2026-01-01T00:00:00Z",
           "data_key_id": repository.seal(INSTANCE, "child").data_key_id}  # fmt: skip
    path.unlink()
    path.write_bytes(sealed_document(old))
    with pytest.raises(ForeseenError) as caught:
        repository.delete_backup(INSTANCE, "parent")
    assert caught.value.code == "backup.needed"


def test_a_backup_that_has_begun_keeps_its_parent(repository):
    store(repository, "parent", FILES)
    with repository.begin(INSTANCE, "child", type="incremental", parents=["parent"]) as writer:
        with pytest.raises(ForeseenError) as caught:
            repository.delete_backup(INSTANCE, "parent")
        assert caught.value.code == "backup.needed"
        fill(writer, {"own": b"x"})
        writer.finish()
    assert proved(repository, "child") == [] and proved(repository, "parent") == []


def test_no_backup_begins_on_a_parent_that_is_being_deleted(repository):
    store(repository, "parent", FILES)
    before = names(repository)

    class Stopped(Silent):
        def checkpoint(self) -> None:
            with pytest.raises(ForeseenError) as caught:
                repository.begin(INSTANCE, "child", type="incremental", parents=["parent"])
            assert caught.value.code == "backup.missing"
            raise Cancelled

    with pytest.raises(Cancelled):
        repository.delete_backup(INSTANCE, "parent", Stopped())
    assert not any("child" in name for name in names(repository))
    repository.delete_backup(INSTANCE, "parent")
    assert set(names(repository)) < set(before)


@pytest.mark.parametrize(
    "step",
    ["deletion.before_mark", "deletion.after_mark", "deletion.before_refusal", "deletion.before_seal",
     "deletion.after_seal"],
)  # fmt: skip
def test_a_dependent_that_begins_at_any_moment_of_the_deletion(repository, step):
    """Whichever of the two comes first wins; never is there a dependent without its parent."""
    store(repository, "parent", FILES)
    outcome = []

    def hook(name):
        if name == step and not outcome:
            outcome.append("running")
            outcome.append(attempt(begin_and_finish, repository))

    steps.hook = hook
    outcome.append(attempt(repository.delete_backup, INSTANCE, "parent"))
    if step == "deletion.before_refusal":
        assert outcome == ["done"], "nobody depends on it, so there is no refusal"
        return
    assert_consistent(repository)
    assert outcome[1:].count("done") == 1, outcome


@pytest.mark.parametrize("step", ["backup.before_begin", "backup.after_begin", "storage.key.before_put"])
def test_a_deletion_at_any_moment_of_a_dependents_beginning(repository, step):
    store(repository, "parent", FILES)
    outcome = []

    def hook(name):
        if name == step and not outcome:
            outcome.append("running")
            outcome.append(attempt(repository.delete_backup, INSTANCE, "parent"))

    steps.hook = hook
    outcome.append(attempt(begin_and_finish, repository))
    assert_consistent(repository)
    assert outcome[1:].count("done") == 1, outcome


def begin_and_finish(repository: Repository) -> None:
    with repository.begin(INSTANCE, "child", type="incremental", parents=["parent"]) as writer:
        fill(writer, {"own": b"x"})
        writer.finish()


def attempt(function, *arguments) -> str:
    try:
        function(*arguments)
    except ForeseenError as error:
        return error.code
    return "done"


def assert_consistent(repository: Repository) -> None:
    present = {seal.backup_id for seal in repository.seals()}
    if "child" in present:
        assert "parent" in present
        assert proved(repository, "parent") == [] and proved(repository, "child") == []
    assert repository.half_deleted(INSTANCE) == []


def test_a_key_that_another_backup_names_stays(repository):
    store(repository, "one", FILES)
    store(repository, "two", FILES)
    path = root_of(repository) / f"{INSTANCE}/backups/two/begun.json"
    shared = repository.seal(INSTANCE, "one").data_key_id
    path.unlink()
    document = {"format": 1, "instance_id": INSTANCE, "backup_id": "two", "data_key_id": shared,
                "started_at": "2026-01-01T00:00:00Z", "parents": []}  # fmt: skip
    path.write_bytes(sealed_document(document))
    repository.delete_backup(INSTANCE, "one")
    assert wrapping.list_wrapped(repository.backend, INSTANCE, shared)


def test_only_log_of_the_instance_is_deleted_as_log(repository):
    store(repository, "kept", FILES)
    before = names(repository)
    for name in (f"{INSTANCE}/backups/kept/seal.json", "other/logs/s/x", f"{INSTANCE}/logs/s/stream.json"):
        with pytest.raises(InvalidInput):
            repository.delete_log_objects(INSTANCE, [name])
    repository.backend.put(f"{INSTANCE}/logs/s/000000010000000000000001", b"12345")
    found = repository.delete_log_objects(
        INSTANCE, [f"{INSTANCE}/logs/s/000000010000000000000001", f"{INSTANCE}/logs/s/gone"]
    )
    assert (found.objects, found.bytes) == (1, 5)
    assert names(repository) == before


def test_an_empty_stream_goes_with_its_key_and_a_full_one_stays(repository):
    key = wrapping.new_data_key(INSTANCE)
    document = {"format": 1, "stream_id": "s", "data_key_id": key.key_id}
    repository.backend.put(f"{INSTANCE}/logs/s/stream.json", sealed_document(document))
    wrapping.store_wrapped(repository.backend, key, repository.keyring, 1, purpose="logs s")
    repository.backend.put(f"{INSTANCE}/logs/s/000000010000000000000001", b"12345")
    assert repository.delete_empty_stream(INSTANCE, "s") is False
    assert wrapping.list_wrapped(repository.backend, INSTANCE, key.key_id)
    repository.delete_log_objects(INSTANCE, [f"{INSTANCE}/logs/s/000000010000000000000001"])
    assert repository.delete_empty_stream(INSTANCE, "s") is True
    assert not wrapping.list_wrapped(repository.backend, INSTANCE, key.key_id)
    assert repository.delete_empty_stream(INSTANCE, "s") is False


def test_sweeping_leaves_the_key_of_a_stream_alone(repository):
    key = wrapping.new_data_key(INSTANCE)
    wrapping.store_wrapped(repository.backend, key, repository.keyring, 1, purpose="logs s")
    assert repository.sweep(INSTANCE) == []
    assert wrapping.list_wrapped(repository.backend, INSTANCE, key.key_id)
