"""The door: opening, claiming, reading only, listing, rotating keys."""

from __future__ import annotations

import pytest

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.repository import Repository
from tests.storage.trees import (
    INSTANCE,
    SYSTEM,
    MemorySink,
    open_repository,
    proved,
    restored,
    root_of,
    store,
)


def code_of(call, *args, **kwargs) -> str:
    with pytest.raises(ForeseenError) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_it_opens_for_reading_unless_writing_is_asked_for(tmp_path, repository):
    store(repository, "b1", {"a": b"x"})
    reading = open_repository(tmp_path)
    for write in (
        lambda: reading.begin(INSTANCE, "b2"),
        lambda: reading.claim_instance("other", "1"),
        lambda: reading.sweep(INSTANCE),
        reading.rotate,
    ):
        assert code_of(write) == "repository.read_only"
    assert restored(reading, "b1") == {"a": b"x"}


def test_there_is_one_repository_at_an_address(tmp_path, repository):
    assert code_of(Repository.initialise, repository.url, repository.keyring) == "repository.exists"
    assert open_repository(tmp_path).repository_id == repository.repository_id


def test_a_folder_with_other_things_is_not_taken(tmp_path, repository):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    assert (
        code_of(Repository.initialise, str(tmp_path / "photos"), repository.keyring) == "repository.not_empty"
    )


def test_no_repository_is_one_clear_sentence(tmp_path, repository):
    assert code_of(Repository.open, str(tmp_path / "nothing"), repository.keyring) == "repository.missing"
    assert not (tmp_path / "nothing").exists()


def test_another_cluster_is_refused(tmp_path, repository):
    repository.claim_instance(INSTANCE, SYSTEM)
    other = open_repository(tmp_path, write=True)
    assert code_of(other.claim_instance, INSTANCE, "7999999999999999999") == "repository.foreign_cluster"
    assert other.owner(INSTANCE) == SYSTEM
    assert other.owner("nobody") is None


def test_an_accepted_cluster_takes_over_and_the_one_before_is_refused(tmp_path, repository):
    repository.claim_instance(INSTANCE, SYSTEM)
    before = repository.backend.read(f"{INSTANCE}/instance.json")
    for _ in range(2):
        repository.accept_cluster(INSTANCE, "8")
        repository.claim_instance(INSTANCE, "8")
    assert repository.owner(INSTANCE) == "8"
    assert code_of(repository.claim_instance, INSTANCE, SYSTEM) == "repository.foreign_cluster"
    repository.accept_cluster(INSTANCE, SYSTEM)
    assert repository.owner(INSTANCE) == SYSTEM
    assert code_of(repository.claim_instance, INSTANCE, "8") == "repository.foreign_cluster"
    names = [item.name for item in repository.backend.list(f"{INSTANCE}/instance")]
    assert sorted(names) == [f"{INSTANCE}/instance{end}.json" for end in ("-2", "-3", "")]
    assert repository.backend.read(f"{INSTANCE}/instance.json") == before, "no object is ever rewritten"
    reading = open_repository(tmp_path)
    assert code_of(reading.accept_cluster, INSTANCE, "8") == "repository.read_only"


def test_a_damaged_marker_of_an_accepted_cluster_is_found(repository):
    store(repository, "b1", {"a": b"x"})
    repository.accept_cluster(INSTANCE, "8")
    name = f"{INSTANCE}/instance-2.json"
    assert not repository.read(INSTANCE, "b1").verify_checksums()
    changed = repository.backend.read(name).replace(b"claimed_at", b"claimed_by")
    repository.backend.delete(name)
    repository.backend.put(name, changed)
    assert [finding.object_name for finding in repository.read(INSTANCE, "b1").verify_checksums()] == [name]


def test_no_backup_before_the_claim(repository):
    assert code_of(repository.begin, "unclaimed", "b1") == "repository.unclaimed"


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a b", "x" * 129, "a.b", "ä", "a\n"])
def test_identifiers_are_checked(repository, bad):
    for call in (
        lambda: repository.begin(INSTANCE, bad),
        lambda: repository.begin(bad, "b1"),
        lambda: repository.read(INSTANCE, bad),
        lambda: repository.claim_instance(bad, "1"),
        lambda: repository.sweep(bad),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_only_sealed_backups_are_listed(repository):
    repository.claim_instance("second", "2")
    store(repository, "b2", {"a": b"x"})
    store(repository, "b1", {"a": b"x"})
    unsealed = repository.begin(INSTANCE, "b3")
    with repository.begin("second", "c1") as writer:
        writer.finish()
    assert [seal.backup_id for seal in repository.seals(INSTANCE)] == ["b1", "b2"]
    assert [seal.backup_id for seal in repository.seals()] == ["b1", "b2", "c1"]
    assert repository.instances() == [INSTANCE, "second"]
    assert code_of(repository.read, INSTANCE, "b3") == "backup.missing"
    unsealed.abort()


def test_a_damaged_seal_is_told_and_does_not_hide_the_others(repository):
    for name in ("b1", "b2", "b3"):
        store(repository, name, {"a": b"x"})
    (root_of(repository) / INSTANCE / "backups/b2/seal.json").write_bytes(b"{}")
    with pytest.raises(DamagedObject):
        list(repository.seals())
    damaged: list = []
    assert [seal.backup_id for seal in repository.seals(damaged=damaged)] == ["b1", "b3"]
    assert [finding.object_name for finding in damaged] == [f"{INSTANCE}/backups/b2/seal.json"]


def test_rotation_leaves_every_object_byte_for_byte(tmp_path, repository):
    store(repository, "b1", {"a": b"one"})
    store(repository, "b2", {"a": b"two"})
    before = {item.name: repository.backend.read(item.name) for item in repository.backend.list()}
    old = LocalKeyring.load(tmp_path / "keyring.json").current.key_id
    new = repository.keyring.add_key().key_id
    added = repository.rotate()
    after = {item.name: repository.backend.read(item.name) for item in repository.backend.list()}
    assert sorted(added) == sorted(set(after) - set(before))
    assert len(added) == 2
    assert all(name.endswith("/2.json") for name in added)
    assert {name: after[name] for name in before} == before
    assert repository.rotate() == [], "a second rotation has nothing to do"
    assert proved(open_repository(tmp_path), "b1") == []
    only_new = keyring_with(tmp_path, "new.json", {new})
    only_old = keyring_with(tmp_path, "old.json", {old})
    for keyring in (only_new, only_old):
        assert restored(Repository.open(repository.url, keyring), "b2") == {"a": b"two"}


def test_after_rotation_new_backups_use_the_new_key(tmp_path, repository):
    new = repository.keyring.add_key().key_id
    store(repository, "b1", {"a": b"one"})
    keyring = keyring_with(tmp_path, "new.json", {new})
    assert restored(Repository.open(repository.url, keyring), "b1") == {"a": b"one"}


def keyring_with(folder, name: str, key_ids: set[str]) -> LocalKeyring:
    """A keyring file that holds only some of the keys."""
    import json

    document = json.loads((folder / "keyring.json").read_text())
    document["keys"] = [key for key in document["keys"] if key["id"] in key_ids]
    document["current"] = document["keys"][0]["id"]
    (folder / name).touch(mode=0o600)
    (folder / name).write_text(json.dumps(document))
    return LocalKeyring.load(folder / name)


def test_the_key_that_is_missing_is_named(tmp_path, repository):
    store(repository, "b1", {"a": b"x"})
    stranger = Repository.open(repository.url, LocalKeyring.create(tmp_path / "other.json"))
    with pytest.raises(ForeseenError) as caught:
        stranger.read(INSTANCE, "b1")
    assert caught.value.code == "key.missing"
    assert repository.keyring.current.key_id in caught.value.message


def test_another_key_under_the_same_name_is_called_wrong(tmp_path, repository):
    import base64
    import json

    store(repository, "b1", {"a": b"x"})
    path = tmp_path / "keyring.json"
    document = json.loads(path.read_text())
    document["keys"][0]["key"] = base64.b64encode(bytes(32)).decode()
    path.write_text(json.dumps(document))
    with pytest.raises(ForeseenError) as caught:
        open_repository(tmp_path).read(INSTANCE, "b1")
    assert caught.value.code == "key.wrong"
    assert document["current"] in caught.value.message


def test_a_copy_wrapped_by_a_false_key_does_not_hide_the_genuine_one(tmp_path, repository):
    """A key replaced in the keyring by mistake, while the older one still opens its own copy."""
    import base64
    import json

    store(repository, "b1", {"a": b"x"})
    false = repository.keyring.add_key().key_id
    repository.rotate()
    path = tmp_path / "keyring.json"
    document = json.loads(path.read_text())
    for key in document["keys"]:
        if key["id"] == false:
            key["key"] = base64.b64encode(bytes(32)).decode()
    path.write_text(json.dumps(document))
    again = open_repository(tmp_path)
    assert restored(again, "b1") == {"a": b"x"}
    (finding,) = again.read(INSTANCE, "b1").verify_checksums()
    assert finding.object_name.endswith("/2.json")


def test_a_key_inside_the_repository_is_refused(tmp_path, repository):
    inside = root_of(repository) / "keyring.json"
    assert code_of(LocalKeyring.create, inside) == "key.inside_repository"
    assert code_of(LocalKeyring.create, root_of(repository) / INSTANCE / "x.json") == "key.inside_repository"
    inside.write_bytes((tmp_path / "keyring.json").read_bytes())
    inside.chmod(0o600)
    assert code_of(LocalKeyring.load, inside) == "key.inside_repository"
    (tmp_path / "link.json").symlink_to(inside)
    assert code_of(LocalKeyring.load, tmp_path / "link.json") == "key.inside_repository"


def test_a_repository_around_an_existing_key_is_refused(tmp_path):
    keyring = LocalKeyring.create(tmp_path / "place" / "keyring.json")
    assert code_of(Repository.initialise, str(tmp_path / "place"), keyring) == "key.inside_repository"
    assert code_of(Repository.initialise, str(tmp_path), keyring) == "key.inside_repository"
    assert code_of(Repository.open, f"file://{tmp_path}/place", keyring) == "key.inside_repository"


def test_a_copy_of_the_whole_repository_is_a_repository(tmp_path, repository):
    import shutil

    store(repository, "b1", {"a": b"x"})
    shutil.copytree(root_of(repository), tmp_path / "copy")
    copy = Repository.open(str(tmp_path / "copy"), repository.keyring)
    assert proved(copy, "b1") == []
    sink = MemorySink()
    copy.read(INSTANCE, "b1").copy_to(sink)
    assert sink.files == {"a": b"x"}
