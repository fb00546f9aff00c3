"""Everything that would fail later, looked at before anybody signs. Changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from catalog.services.opening import repository_open, server_binaries
from catalog.states import GOOD_BACKUP
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command, replace
from dataprotect.engine.databases.postgresql import binaries as programs
from dataprotect.engine.model import Check
from dataprotect.ops import home
from restores.models import RestoreRequest
from restores.services.engine_requests import replace_request
from restores.services.system_request import system_preflight
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
    backup, place = request.backup, request.instance.repository
    if backup is not None:
        place = backup.repository
        good = backup.state in GOOD_BACKUP
        yield Check("backup is good", good, "checked or better", backup.get_state_display().lower())
    try:
        stored = repository_open(place)
        if backup is not None:
            next(stored.read(request.instance.identifier, backup.backup_id).entries(), None)
        yield Check("repository and key", True, place.name, "opened")
    except ForeseenError as error:
        yield Check("repository and key", False, place.name, f"{error.message} {error.action}")


def _server(request: RestoreRequest) -> Iterator[Check]:
    if request.scope == Scope.TEST:
        return
    if request.scope == Scope.SYSTEM:
        yield from system_preflight(request)
        return
    for database in request.databases:
        for check in replace.preflight(replace_request(request, database)):
            if request.scope == Scope.TABLE and check.passed is False and check.name not in _OF_TABLES:
                continue
            prefix = f"{database}: " if len(request.databases) > 1 else ""
            yield Check(prefix + check.name, check.passed, check.expected, check.found)


_OF_TABLES = frozenset({"server answers", "server may be written to"})
"""Of what replacing a database needs, what a table rescue needs as well."""
