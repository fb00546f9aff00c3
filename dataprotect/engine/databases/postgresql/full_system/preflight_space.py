"""Room for what is restored beside what is in use, and a place for every tablespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.full_system import names, restoring, spaces
from dataprotect.engine.databases.postgresql.recovery_plan import log_plan
from dataprotect.engine.databases.postgresql.restored_layout import Survey, Tablespace
from dataprotect.engine.full_system_model import FullSystemRequest, Origin
from dataprotect.engine.model import Check
from dataprotect.engine.restore_target import check_space
from dataprotect.storage.logs import LogReader
from dataprotect.storage.repository import BackupReader, Repository


def checks(
    repository: Repository, request: FullSystemRequest, origin: Origin, reader: BackupReader, found: Survey
) -> Iterator[Check]:
    places = restoring.wanted_places(reader, request, origin)
    name, wanted = (
        "places of the tablespaces",
        ", ".join(f"{each.name} in {at}" for each, at in places.items()),
    )
    try:
        spaces.require(places, origin.data_directory)
    except ForeseenError as error:
        yield Check(name, False, wanted, f"{error.message} {error.action}")
        return
    yield Check(name, True, wanted or "the backup has none", "there, and exchanged inside their folders")
    yield _room(_needed(repository, request, origin, places, found))


def _needed(
    repository: Repository, request: FullSystemRequest, origin: Origin, places: Mapping[Tablespace, Path],
    found: Survey,
) -> dict[Path, int]:  # fmt: skip
    log = 0
    if request.choice is not None:
        stored = LogReader(repository, request.instance_id).objects()
        log = log_plan(request.choice, stored, request.choice.log_end).bytes
    beside = names.of(origin.data_directory, request.restore_id).restored
    return {beside: found.bytes[0] + log} | {
        names.space_restored(at, request.restore_id): found.bytes[each.oid] for each, at in places.items()
    }


def _room(wanted: Mapping[Path, int]) -> Check:
    name, total = "free space", f"{sum(wanted.values()) / 1e9:.2f} GB and a tenth more"
    try:
        check_space(wanted)
    except ForeseenError as error:
        return Check(name, False, total, error.message)
    return Check(name, True, total, "there is")
