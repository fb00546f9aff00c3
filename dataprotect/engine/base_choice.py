"""Whether a backup can build on the one it was meant to build on. When not, it is a full, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.base import Engine, Prepared
from dataprotect.engine.model import BackupRequest, BackupType
from dataprotect.storage.documents import DamagedObject

if TYPE_CHECKING:
    from dataprotect.storage.repository import Base, Repository, Seal

_NOT_USABLE = ("backup.missing", "key.missing", "key.unknown")


@dataclass(frozen=True, slots=True)
class Choice:
    """`base` is None for a full; whoever got it closes it. `reason` says why it is no other type."""

    type: BackupType
    base: Base | None = None
    facts: Mapping[str, Any] | None = None
    reason: str = ""

    @property
    def base_id(self) -> str:
        return self.base.backup_id if self.base else ""


def choose(engine: Engine, request: BackupRequest, prepared: Prepared, repository: Repository) -> Choice:
    """What kind of backup it will be, and the base, opened. Raises what keeps it from being looked at."""
    if request.type == "full":
        return Choice("full")
    if not request.base_id:
        return _full(request, request.base_reason or "There is no backup it could build on.")
    try:
        seal = repository.read(request.source.instance_id, request.base_id).seal
        problem = _problem(request, seal) or engine.base_problem(request, prepared, seal.facts)
        if problem is not None:
            return _full(request, problem)
        for parent in seal.parents:
            repository.seal(request.source.instance_id, parent)
        base = repository.base(request.source.instance_id, request.base_id, request.spool)
        return Choice(request.type, base, seal.facts)
    except ForeseenError as error:
        if not isinstance(error, DamagedObject) and error.code not in _NOT_USABLE:
            raise
        return _full(request, f"{request.base_id} cannot be built on: {error.message}")


def _problem(request: BackupRequest, seal: Seal) -> str | None:
    if request.type == "differential" and seal.type != "full":
        return f"{seal.backup_id} is no full backup, and a differential one builds on a full."
    if len(seal.parents) + 1 > request.chain_limit:
        return (
            f"{seal.backup_id} already depends on {len(seal.parents)} others; "
            f"with it that would be more than the {request.chain_limit} that are allowed."
        )
    return None


def _full(request: BackupRequest, why: str) -> Choice:
    return Choice("full", reason=f"This is a full backup instead of the {request.type} one asked for. {why}")
