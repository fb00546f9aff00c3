"""Expiry in two phases over a real repository: what goes, what wins against it, what is left when it dies."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.models import Backup, Expiry, Repository
from catalog.selectors.strip import strips
from catalog.services import backup_spare, catalog_rebuild_start, hold_place
from catalog.services.backup_start import backup_start
from catalog.services.verification_start import verification_start
from dataprotect.core import clock, steps
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue
from dataprotect.ops.models import AuditEvent, Job
from tests.catalog.retained import DAY, OPERATOR, Retained, person, put, refused, state
from tests.ops.conftest import worker_environment
from tests.warm import warm_python

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def retained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Retained]:
    monkeypatch.setattr(steps, "hook", steps.hook)
    return Retained(tmp_path)


@pytest.fixture
def no_grace(settings: object) -> None:
    settings.EXPIRY_GRACE_DAYS = 0  # type: ignore[attr-defined]


def verbs() -> list[str]:
    found = AuditEvent.objects.filter(verb__startswith="expiry.").order_by("sequence")
    return list(found.values_list("verb", flat=True))


def test_first_a_tombstone_then_after_the_grace_time_the_deletion(retained: Retained) -> None:
    retained.backup("old", 10)
    retained.backup("new", 1)
    keys = retained.keys()
    done = retained.expire()
    assert (done["placed"], done["deleted"]) == (["old"], [])
    assert state("old") == "expiring" and state("new") == "checked"
    expiry = Expiry.objects.get()
    assert timedelta(days=6) < expiry.delete_after - clock.now() <= timedelta(days=7)
    assert any("3 days are over" in sentence for sentence in expiry.reasons)
    assert retained.is_whole("old"), "nothing is touched during the grace time"
    assert retained.expire()["deleted"] == []
    Expiry.objects.update(placed_at=clock.now() - 8 * DAY, delete_after=clock.now() - DAY)
    assert retained.expire()["deleted"] == ["old"]
    assert retained.sealed() == {"new"} and retained.is_whole("new")
    assert retained.leftovers("old") == [] and retained.keys() == keys - 1
    gone = Expiry.objects.get()
    assert state("old") == "deleted" and gone.state == "deleted"
    assert gone.objects_deleted >= 5 and gone.bytes_deleted > 0
    assert Repository.objects.get().backup_count == 1
    assert verbs() == ["expiry.placed", "expiry.deleted"]
    assert retained.expire()["placed"] == []


def test_a_backup_first_makes_the_room_that_is_due(retained: Retained) -> None:
    retained.backup("old", 10)
    retained.backup("waiting", 9)
    retained.backup("new", 1)
    assert sorted(retained.expire()["placed"]) == ["old", "waiting"]
    Expiry.objects.filter(backup__backup_id="old").update(
        placed_at=clock.now() - 8 * DAY, delete_after=clock.now() - DAY
    )
    with queue.foreground():
        job = backup_start(actor=OPERATOR, instance=retained.instance, type="full")
    assert queue.run_now(job).state == "failed", "nobody answers there"
    assert retained.sealed() == {"waiting", "new"} and state("old") == "deleted"


def test_a_day_whose_backup_went_by_rule_was_no_bad_day(retained: Retained, no_grace: None) -> None:
    retained.backup("old", 10)
    retained.backup("new", 0)
    now = clock.now()
    type(retained.instance).objects.update(created_at=now - 40 * DAY)
    instance = type(retained.instance).objects.select_related("tier").get()
    before = strips(instances=[instance], now=now)
    assert retained.expire()["deleted"] == ["old"]
    assert strips(instances=[instance], now=now) == before
    assert sum(day.good for day in before[instance.pk]) == 2


def test_rebuilding_the_catalog_takes_half_deleted_ones_for_gone(retained: Retained) -> None:
    for name in ("whole", "marked", "torn"):
        retained.backup(name, 1)
    stored = retained.stored
    stored.mark_backup(retained.instance.identifier, "marked")
    stored.mark_backup(retained.instance.identifier, "torn")
    next(retained.folder.rglob("backups/torn/seal.json")).unlink()
    type(retained.instance).objects.update(last_good_backup=None)
    Backup.objects.all().delete()
    with queue.foreground():
        job = catalog_rebuild_start(actor=OPERATOR, repository=retained.repository)
    assert queue.result_of(queue.run_now(job))["backups"] == ["whole"]


def test_a_chain_goes_as_a_whole_dependents_first(retained: Retained, no_grace: None) -> None:
    retained.backup("full", 20)
    retained.backup("i1", 19, parents=["full"])
    retained.backup("i2", 18, parents=["full", "i1"])
    retained.backup("new", 0)
    assert retained.expire()["deleted"] == ["i2", "i1", "full"]
    assert retained.sealed() == {"new"} and retained.keys() == 1


def test_a_parent_stays_as_long_as_one_dependent_does(retained: Retained, no_grace: None) -> None:
    retained.backup("full", 20)
    retained.backup("i1", 19, parents=["full"])
    retained.backup("i2", 1, parents=["full"])
    retained.backup("new", 0)
    assert retained.expire()["deleted"] == ["i1"]
    assert retained.sealed() == {"full", "i2", "new"}
    assert retained.is_whole("i2") and retained.is_whole("full")


def test_damaged_backups_never_push_a_good_one_out(retained: Retained, no_grace: None) -> None:
    """An object flipped: verification says damaged, and the old good one is all there is."""
    retained.backup("good", 30)
    for number in range(4):
        retained.backup(f"bad{number}", number, state="stored")
        pack = next(retained.folder.rglob(f"backups/bad{number}/packs/*"))
        data = bytearray(pack.read_bytes())
        data[100] ^= 1
        pack.write_bytes(data)
        verify(f"bad{number}")
        assert state(f"bad{number}") == "damaged"
    assert retained.expire()["placed"] == []
    assert retained.sealed() >= {"good"} and retained.is_whole("good")


def verify(name: str) -> None:
    with queue.foreground():
        job = verification_start(actor=OPERATOR, backup=Backup.objects.get(backup_id=name), level="checksum")
    queue.run_now(job)


def test_a_hold_spares_what_was_expiring_with_its_parents(retained: Retained) -> None:
    retained.backup("full", 20)
    child = retained.backup("child", 19, parents=["full"], state="restore_tested")
    retained.backup("new", 0, state="restore_tested")
    retained.policy.minimum_restore_tested = 1
    assert set(retained.expire()["placed"]) == {"full", "child"}
    hold_place(actor=OPERATOR, instance=retained.instance, backup=child, reason="Court order.", matter="M-1")
    assert state("full") == "checked" and state("child") == "restore_tested"
    Expiry.objects.update(placed_at=clock.now() - 9 * DAY, delete_after=clock.now() - DAY)
    done = retained.expire()
    assert (done["placed"], done["deleted"]) == ([], [])
    assert retained.sealed() == {"full", "child", "new"}


def test_a_hold_that_comes_at_the_last_moment_wins(retained: Retained, no_grace: None) -> None:
    old = retained.backup("old", 10)
    retained.backup("new", 0)

    def hook(name: str) -> None:
        if name == "expiry.after_mark":
            hold_place(actor=OPERATOR, instance=retained.instance, backup=old, reason="Now.", matter="M-2")

    steps.hook = hook
    assert retained.expire()["deleted"] == []
    assert state("old") == "checked"
    assert retained.sealed() == {"old", "new"} and retained.is_whole("old")


def test_after_the_point_of_no_return_nothing_can_be_held(retained: Retained, no_grace: None) -> None:
    old = retained.backup("old", 10)
    retained.backup("new", 0)
    answers = []

    def hook(name: str) -> None:
        if name == "expiry.before_objects":
            answers.append(
                refused(
                    "backup.deleted", hold_place, actor=OPERATOR, instance=retained.instance, backup=old,
                    reason="Too late.", matter="M-3",
                )
            )  # fmt: skip

    steps.hook = hook
    assert retained.expire()["deleted"] == ["old"] and answers


@pytest.mark.parametrize("step", ["expiry.after_marks", "deletion.before_mark"])
def test_a_backup_that_begins_to_depend_on_it_wins(retained: Retained, no_grace: None, step: str) -> None:
    """Begun after the tombstone of the catalog and before that of the repository: the parent is spared."""
    retained.backup("parent", 10)
    retained.backup("new", 0)
    writers = []

    def hook(name: str) -> None:
        if name == step and not writers:
            writers.append(
                retained.stored.begin(
                    retained.instance.identifier, "child", type="incremental", parents=["parent"]
                )
            )

    steps.hook = hook
    assert retained.expire()["deleted"] == []
    put(writers[0], "pgdata/x", b"x")
    writers[0].finish()
    assert retained.sealed() == {"parent", "new", "child"}
    assert retained.is_whole("parent") and retained.is_whole("child")
    assert state("parent") == "checked"


def test_a_backup_that_begins_after_the_mark_is_refused(retained: Retained, no_grace: None) -> None:
    retained.backup("parent", 10)
    retained.backup("new", 0)
    answers = []

    def hook(name: str) -> None:
        if name in ("expiry.after_mark", "expiry.before_objects", "deletion.after_seal"):
            with pytest.raises(ForeseenError) as caught:
                retained.stored.begin(
                    retained.instance.identifier, "child", type="incremental", parents=["parent"]
                )
            answers.append(caught.value.code)

    steps.hook = hook
    assert retained.expire()["deleted"] == ["parent"]
    assert answers == ["backup.missing"] * 3
    assert retained.sealed() == {"new"} and retained.leftovers("child") == []


def test_what_a_job_uses_waits(retained: Retained, no_grace: None) -> None:
    old = retained.backup("old", 10)
    retained.backup("new", 0)
    job = verification_start(actor=OPERATOR, backup=old, level="checksum")
    assert retained.expire()["deleted"] == []
    assert state("old") == "expiring" and retained.is_whole("old")
    Job.objects.filter(pk=job.pk).update(state="cancelled")
    assert retained.expire()["deleted"] == ["old"]


def test_a_verification_leaves_the_state_of_what_expires_alone(retained: Retained) -> None:
    retained.backup("old", 10)
    retained.backup("new", 0)
    retained.expire()
    verify("old")
    assert state("old") == "expiring"


def test_a_person_spares_it_for_now(retained: Retained) -> None:
    old = retained.backup("old", 10, state="damaged", failed_level="decode")
    retained.backup("new", 0)
    retained.expire()
    stranger = person("stranger")
    refused("access.denied", backup_spare, actor=stranger, backup=old, reason="mine")
    refused("input.reason", backup_spare, actor=OPERATOR, backup=old, reason=" ")
    backup_spare(actor=OPERATOR, backup=old, reason="Let me look first.")
    back = Backup.objects.get(backup_id="old")
    assert (back.state, back.failed_level) == ("damaged", "decode")
    refused("expiry.none", backup_spare, actor=OPERATOR, backup=old, reason="again")
    assert retained.expire()["placed"] == ["old"], "the rules have not changed: a new grace time begins"
    assert Expiry.objects.count() == 2


def test_without_a_policy_nothing_goes(retained: Retained, no_grace: None) -> None:
    retained.backup("ancient", 5000)
    retained.backup("new", 0)
    type(retained.instance).objects.update(policy=None)
    assert retained.expire()["placed"] == []


def test_a_longer_policy_spares_what_was_expiring(retained: Retained) -> None:
    retained.backup("old", 10)
    retained.backup("new", 0)
    retained.expire()
    type(retained.policy).objects.update(keep_daily_days=60)
    assert retained.expire()["spared"] == ["old"]
    assert state("old") == "checked"


def test_a_tombstone_of_a_forgotten_future_is_taken_back(retained: Retained) -> None:
    """The catalog was put back to a copy from before: what is whole stays, what is not goes."""
    retained.backup("whole", 1)
    retained.backup("torn", 2)
    retained.backup("new", 0)
    stored = retained.stored
    stored.mark_backup(retained.instance.identifier, "whole")
    stored.mark_backup(retained.instance.identifier, "torn")
    next(retained.folder.rglob("backups/torn/seal.json")).unlink()
    retained.expire()
    assert retained.sealed() == {"whole", "new"} and retained.is_whole("whole")
    assert retained.leftovers("torn") == []


def test_disk_errors_are_told_and_the_next_run_goes_on(
    retained: Retained, no_grace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataprotect.storage.backends.local import LocalBackend

    retained.backup("old", 10)
    retained.backup("older", 11)
    retained.backup("new", 0)
    delete = LocalBackend.delete

    def failing(self: LocalBackend, name: str) -> None:
        if "/backups/old/packs/" in name:
            raise ForeseenError("storage.denied", "The disk is read-only.", "Look at it.")
        delete(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(LocalBackend, "delete", failing)
        error = refused("expiry.incomplete", retained.expire)
    assert "The disk is read-only." in error.message
    assert state("old") == "deleting" and Expiry.objects.get(backup__backup_id="old").problem
    assert "old" not in retained.sealed(), "half deleted, it is no backup"
    assert sorted(retained.expire()["deleted"]) == ["old", "older"]
    assert retained.sealed() == {"new"}
    assert Expiry.objects.get(backup__backup_id="old").problem == ""


CHILD = """
import os, signal, sys
import django
django.setup()
from catalog.models import Repository
from catalog.services import expiry_start
from dataprotect.core import steps
from dataprotect.ops import queue

fatal, reached = sys.argv[1], []

def hook(name):
    reached.append(name)
    if name == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

steps.hook = hook
with queue.foreground():
    job = expiry_start(actor="system:test", repository=Repository.objects.get())
queue.result_of(queue.run_now(job))
print("\\n".join(reached))
"""
STEPS = (
    "expiry.after_marks", "deletion.before_mark", "storage.object.before_link", "deletion.after_mark",
    "expiry.after_mark", "expiry.before_objects", "deletion.before_seal", "deletion.after_seal",
    "deletion.before_object", "deletion.after_object", "deletion.before_key", "deletion.after_key",
    "deletion.before_reservation", "deletion.after_reservation", "deletion.before_tombstone",
    "deletion.after_tombstone", "expiry.after_objects",
)  # fmt: skip


def run_child(step: str) -> subprocess.CompletedProcess[str]:
    environment = worker_environment(
        DJANGO_SETTINGS_MODULE="tests.ops.worker_settings", EXPIRY_GRACE_DAYS="0"
    )
    return warm_python().run(["-c", CHILD, step], env=environment, stdin="", timeout=120)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("step", STEPS)
def test_kill_at(step: str, retained: Retained, no_grace: None) -> None:
    retained.backup("full", 20)
    retained.backup("child", 19, parents=["full"])
    retained.backup("new", 0)
    died = run_child(step)
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    for name in retained.sealed():
        assert retained.is_whole(name), f"{name} is listed after a kill at {step}, and broken"
    for row in Backup.objects.exclude(state__in=("deleting", "deleted")):
        assert row.backup_id in retained.sealed() | set(retained.stored.half_deleted(row.instance.identifier))
    retained.expire()
    assert retained.sealed() == {"new"} and retained.is_whole("new")
    assert retained.leftovers("full") == retained.leftovers("child") == [] and retained.keys() == 1
    assert (state("full"), state("child"), state("new")) == ("deleted", "deleted", "checked")
    assert list((retained.folder / ".writing").iterdir()) == []
