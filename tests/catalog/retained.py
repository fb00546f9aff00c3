"""A catalog over a real repository on disk, whose backups were made by the storage's own writer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, Permission, User

from catalog.models import Backup, Instance, Policy, Repository, Tier
from catalog.models.instance import new_identifier
from catalog.roles import ROLES
from catalog.services import expiry_start, repository_add
from catalog.services.backup_record import backup_from_repository
from catalog.services.instance_refresh import instance_refresh
from catalog.services.opening import repository_open
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue
from dataprotect.storage.repository import ChunkTask, Entry, Piece
from dataprotect.storage.repository import Repository as StoredRepository

SYSTEM = "7301234567890123456"
OPERATOR = "system:test"
DAY = timedelta(days=1)
SHORT = {
    "keep_daily_days": 3, "keep_weekly_days": 0, "keep_monthly_days": 0, "keep_yearly_days": 0,
    "minimum_restore_tested": 1, "log_window_days": 0,
}  # fmt: skip


class Retained:
    """One instance `orders` in the repository `local`, with a policy that keeps three days."""

    def __init__(self, folder: Path) -> None:
        tier, _ = Tier.objects.get_or_create(
            name="standard", defaults={"rto_seconds": 3600, "rpo_seconds": 3600}
        )
        self.repository = repository_add(actor=OPERATOR, name="local", url=str(folder / "repository"))
        self.policy = Policy.objects.create(name="short", **SHORT)
        self.instance = self.make_instance("orders", tier)
        self.folder = folder / "repository"

    def make_instance(self, name: str, tier: Tier) -> Instance:
        return Instance.objects.create(
            name=name, identifier=new_identifier(name), host="127.0.0.1", user="backup", tier=tier,
            repository=self.repository, policy=self.policy, system_identifier=SYSTEM,
        )  # fmt: skip

    @property
    def stored(self) -> StoredRepository:
        return repository_open(self.repository, write=True)

    def backup(
        self, name: str, days: float, *, state: str = "checked", parents: Sequence[str] = (), **more: Any
    ) -> Backup:
        """A sealed backup that restores to so many days ago, and its row."""
        stored = self.stored
        stored.claim_instance(self.instance.identifier, SYSTEM)
        kind = "incremental" if parents else "full"
        with stored.begin(
            self.instance.identifier, name, type=kind, parents=parents, pack_bytes=2048, threads=1
        ) as writer:  # type: ignore[arg-type]
            for path, data in contents(name).items():
                put(writer, path, data)
            seal = writer.finish(
                {
                    "start_position": "0/1000000",
                    "stop_position": "0/1000100",
                    "system_identifier": SYSTEM,
                }
            )
        row = backup_from_repository(self.instance, seal, {})
        row.state, row.stopped_at, row.rebuilt_at = state, clock.now() - days * DAY, None
        for field, value in more.items():
            setattr(row, field, value)
        row.save()
        row.parents.set(Backup.objects.filter(backup_id__in=parents))
        Repository.objects.filter(pk=self.repository.pk).update(
            backup_count=self.repository.backups.count(), stored_bytes=10**9
        )
        instance_refresh(self.instance)
        return row

    def expire(self) -> dict[str, Any]:
        """A whole run, as the command does it."""
        with queue.foreground():
            job = expiry_start(actor=OPERATOR, repository=self.repository)
        found: dict[str, Any] = queue.result_of(queue.run_now(job))
        return found

    def sealed(self) -> set[str]:
        """What a reader of the repository finds."""
        return {seal.backup_id for seal in self.stored.seals(self.instance.identifier)}

    def is_whole(self, name: str) -> bool:
        reader = self.stored.read(self.instance.identifier, name)
        return reader.verify_checksums() == [] and reader.verify_decode() == []

    def leftovers(self, name: str) -> list[str]:
        """Objects of a backup, with those of its data key."""
        return [item.name for item in self.stored.backend.list() if f"/backups/{name}/" in item.name]

    def keys(self) -> int:
        return sum(1 for item in self.stored.backend.list() if "/keys/" in item.name)


def contents(name: str) -> dict[str, bytes]:
    return {f"pgdata/{number}": f"{name} {number} ".encode() * 300 for number in range(3)}


def put(writer: Any, path: str, data: bytes) -> None:
    number = writer.add(Entry(path, size=len(data)))

    def read(buffer: memoryview) -> None:
        buffer[:] = data

    writer.submit(ChunkTask([Piece(number, 0, len(data))], read))


def state(name: str) -> str:
    return str(Backup.objects.get(backup_id=name).state)


def person(name: str, role: str = "") -> User:
    """With the rights of the role, whatever an earlier test emptied."""
    user = User.objects.create_user(name, password=None)
    if role:
        group, _ = Group.objects.get_or_create(name=role)
        for full_name in ROLES[role]:
            app_label, codename = full_name.split(".")
            group.permissions.add(
                Permission.objects.get(content_type__app_label=app_label, codename=codename)
            )
        user.groups.add(group)
    return User.objects.get(pk=user.pk)


def refused(code: str, function: Any, *arguments: Any, **words: Any) -> ForeseenError:
    """The ForeseenError that the call must raise."""
    try:
        function(*arguments, **words)
    except ForeseenError as error:
        assert error.code == code, (error.code, error.message)
        return error
    raise AssertionError(f"expected {code}")
