"""Rereading a backup a part at a time, in the order of its objects' names, so that it can go on later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dataprotect.core.progress import Reporter
from dataprotect.storage.checking import check_some, check_surroundings
from dataprotect.storage.logs import LogReader
from dataprotect.storage.logs.checking import GONE, check_logs
from dataprotect.storage.model import Finding
from dataprotect.storage.repository import Repository

PER_OBJECT = 64 << 10
"""What asking for an object costs besides its bytes, in bytes that could have been read meanwhile."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """cursor: the name to go on after; empty when `complete`. Names are relative to the backup's folder."""

    names: tuple[str, ...]
    bytes_read: int
    cursor: str
    complete: bool
    findings: tuple[Finding, ...]

    @property
    def cost(self) -> int:
        return cost(self.bytes_read, len(self.names))


def cost(size: int, objects: int) -> int:
    return size + PER_OBJECT * objects


def scrub_part(
    repository: Repository,
    instance_id: str,
    backup_id: str,
    *,
    after: str,
    budget: int,
    reporter: Reporter,
    threads: int = 2,
) -> Scrubbed:
    """Read the objects after the name `after` until `budget` (see `cost`) is spent: one at least.

    The last part also looks at what belongs to no single object: keys, documents, things that should not be
    there. Raises `backup.missing`, DamagedObject for the seal itself, key errors, `storage.*`.
    """
    seal = repository.read(instance_id, backup_id).seal
    rest = sorted((item for item in seal.objects if item.name > after), key=lambda item: item.name)
    part = _affordable(rest, budget)
    findings = check_some(repository.backend, seal.folder, part, threads, reporter)
    complete = len(part) == len(rest)
    if complete:
        findings += check_surroundings(repository.backend, seal, repository.keyring)
    return Scrubbed(
        names=tuple(item.name for item in part),
        bytes_read=sum(item.size for item in part),
        cursor="" if complete else part[-1].name,
        complete=complete,
        findings=tuple(findings),
    )


def scrub_logs(
    repository: Repository, instance_id: str, *, after: str, budget: int, reporter: Reporter
) -> Scrubbed:
    """The same for the stored log of an instance; `after` and the cursor are names in the repository.

    What disappears meanwhile is no damage: slices become segments, and expiry removes what no window needs.
    """
    items = (item for item in LogReader(repository, instance_id).objects() if item.name > after)
    rest = sorted(items, key=lambda item: item.name)
    part = _affordable(rest, budget)
    findings = check_logs(repository, instance_id, part, reporter)
    complete = len(part) == len(rest)
    return Scrubbed(
        names=tuple(item.name for item in part),
        bytes_read=sum(item.size for item in part),
        cursor="" if complete else part[-1].name,
        complete=complete,
        findings=tuple(each for each in findings if each.problem != GONE),
    )


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


_Item = TypeVar("_Item", bound=_Sized)


def _affordable(objects: Iterable[_Item], budget: int) -> list[_Item]:
    part: list[_Item] = []
    for item in objects:
        if part and budget <= 0:
            break
        part.append(item)
        budget -= cost(item.size, 1)
    return part
