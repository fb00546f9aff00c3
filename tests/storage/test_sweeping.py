"""Sweeping removes what is no backup, and never anything that is one or may become one."""

from __future__ import annotations

from datetime import timedelta

from dataprotect.core.clock import now
from tests.storage.trees import INSTANCE, fill, proved, restored, root_of, store


def names(repository) -> list[str]:
    return [item.name for item in repository.backend.list()]


def test_a_running_backup_in_the_live_set_survives(repository):
    writer = repository.begin(INSTANCE, "running")
    fill(writer, {"a": b"x"})
    assert repository.sweep(INSTANCE, live={"running"}) == []
    writer.finish()
    assert proved(repository, "running") == []


def test_a_backup_that_began_after_the_live_set_was_taken_survives(repository):
    before = now() - timedelta(seconds=1)
    writer = repository.begin(INSTANCE, "younger")
    assert repository.sweep(INSTANCE, live=set(), before=before) == []
    fill(writer, {"a": b"x"})
    writer.finish()
    assert restored(repository, "younger") == {"a": b"x"}


def test_an_orphan_goes_with_its_key_and_its_half_written_files(repository):
    store(repository, "good", {"a": b"x"})
    kept = names(repository)
    writer = repository.begin(INSTANCE, "orphan")
    assert len(names(repository)) == len(kept) + 2
    assert repository.sweep(INSTANCE) == ["orphan"]
    assert names(repository) == kept
    writer.abort()


def test_a_lone_key_goes(repository):
    store(repository, "good", {"a": b"x"})
    kept = names(repository)
    writer = repository.begin(INSTANCE, "orphan")
    repository.backend.delete(f"{INSTANCE}/backups/orphan/begun.json")
    assert [word.split()[0] for word in repository.sweep(INSTANCE)] == ["key"]
    assert names(repository) == kept
    writer.abort()


def test_a_sealed_backup_survives_even_with_a_damaged_seal_or_reservation(repository):
    store(repository, "b1", {"a": b"x"})
    store(repository, "b2", {"a": b"x"})
    root = root_of(repository) / INSTANCE / "backups"
    (root / "b1/seal.json").write_bytes(b"rubbish")
    (root / "b2/begun.json").write_bytes(b"rubbish")
    kept = names(repository)
    assert repository.sweep(INSTANCE) == []
    assert names(repository) == kept
    assert restored(repository, "b2") == {"a": b"x"}


def test_another_instance_is_not_touched(repository):
    repository.claim_instance("other", "99")
    with repository.begin("other", "theirs") as writer:
        kept = names(repository)
        assert repository.sweep(INSTANCE) == []
        assert names(repository) == kept
        writer.finish()
