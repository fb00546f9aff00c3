"""Everything that would fail later, looked at before anybody signs. Changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from catalog.models import Backup
from catalog.services.opening import repository_open, server_binaries
from catalog.states import VerificationLevel
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command, replace
from dataprotect.engine.databases.postgresql import binaries as programs
from dataprotect.engine.model import Check
from dataprotect.ops import home
from restores.models import RestoreRequest
from restores.selectors.requests import database_sizes, unseen
from restores.services.engine_requests import replace_request
from restores.services.system_request import system_preflight
from restores.services.wanted import chosen_backup, wanted_by
from restores.states import Scope

_SPARE = 1.1
"""Room for what is restored, and a tenth of it."""


def preflight(*, request: RestoreRequest) -> tuple[Check, ...]:
    """`passed` None: not known yet, and `found` says why. What only a clone can tell (extensions, roles,
    sizes of what comes back) is asked again in the run, before anything is touched.
    """
    return (*_here(request), *_repository(request), *_server(request))


def _here(request: RestoreRequest) -> Iterator[Check]:
    """What this worker needs in order to bring up a clone."""
    major = (request.instance.server_version or "").partition(".")[0].split(" ")[-1]
    if major.isdigit():
        yield _programs(int(major))
    else:
        yield Check("clone's server programs", None, "the source's version", "the source was never probed")
    needed = int((request.instance.size_bytes or 0) * _SPARE)
    free = shutil.disk_usage(home.clones()).free
    wanted, found = f"{needed / 1e9:.1f} GB", f"{free / 1e9:.1f} GB free where clones live"
    yield Check("free space for the clone", free >= needed, wanted, found)


def _programs(major: int) -> Check:
    name, wanted = "clone's server programs", f"PostgreSQL {major}"
    try:
        account = command.unprivileged_account(home.clone_user() or "postgres")
        programs.find(major, server_binaries(), account)
    except ForeseenError as error:
        return Check(name, False, wanted, f"{error.message} {error.action}")
    return Check(name, True, wanted, "found")


def _repository(request: RestoreRequest) -> Iterator[Check]:
    """What is brought back, as far as the catalog and the repository's seals and manifests tell."""
    name = "backup and log that lead there"
    try:
        backup, choice = chosen_backup(wanted_by(request))
    except ForeseenError as error:
        yield Check(name, False, "unbroken up to the target", f"{error.message} {error.action}")
        return
    reached = backup.backup_id if choice is None else f"{backup.backup_id}, then log up to {choice.target}"
    yield Check(name, True, "unbroken up to the target", reached)
    chain = [backup, *backup.parents.order_by("stopped_at")]
    yield _good(chain)
    yield _read_back(chain)
    yield _opened(chain)


def _good(chain: Sequence[Backup]) -> Check:
    bad = [f"{each.backup_id} is {each.get_state_display().lower()}" for each in chain if not each.is_good]
    found = "; ".join(bad) or f"{len(chain)} of {len(chain)} are"
    return Check("backup and what it builds on", not bad, "checked or better", found)


def _read_back(chain: Sequence[Backup]) -> Check:
    """The newest look at every SHA-256 of each of them."""
    looks = [each.verifications.exclude(level=VerificationLevel.RESTORE).first() for each in chain]
    bad = [
        f"{each.backup_id} was found damaged"
        for each, look in zip(chain, looks, strict=True)
        if look is not None and not look.passed
    ]
    read = [look.finished_at for look in looks if look is not None]
    name, wanted = "checksums", "every one right at its last reading"
    if bad or len(read) < len(chain):
        found = "; ".join(bad) or "some have not been read since the catalog was rebuilt"
        return Check(name, False if bad else None, wanted, found)
    return Check(name, True, wanted, f"they were, on {clock.iso(min(read))} or later")


def _opened(chain: Sequence[Backup]) -> Check:
    place = chain[0].repository
    try:
        stored = repository_open(place)
        for each in chain:
            next(stored.read(each.instance.identifier, each.backup_id).entries(), None)
    except ForeseenError as error:
        return Check("repository and key", False, place.name, f"{error.message} {error.action}")
    return Check("repository and key", True, place.name, f"{len(chain)} manifests were opened")


def _server(request: RestoreRequest) -> Iterator[Check]:
    if request.scope == Scope.TEST:
        return
    if request.scope == Scope.SYSTEM:
        yield from system_preflight(request)
        return
    missing = unseen(request, database_sizes(instance=request.instance))
    if missing:
        found = f"{request.instance.name} was never seen to have {', '.join(missing)}"
        yield Check("database in the backup", False, ", ".join(request.databases), found)
    for database in request.databases:
        if database in missing:
            continue
        for check in replace.preflight(replace_request(request, database)):
            if request.scope == Scope.TABLE and check.passed is False and check.name not in _OF_TABLES:
                continue
            prefix = f"{database}: " if len(request.databases) > 1 else ""
            yield Check(prefix + check.name, check.passed, check.expected, check.found)


_OF_TABLES = frozenset({"server answers", "server may be written to"})
"""Of what replacing a database needs, what a table rescue needs as well."""
