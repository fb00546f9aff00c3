"""From a restore request of a whole server to what the engine works with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog.services.opening import repository_open, server_binaries, source_of
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import full_system
from dataprotect.engine.full_system_model import (
    FullSystemRequest,
    FullSystemTarget,
    Hooks,
    Origin,
    Standing,
)
from dataprotect.engine.model import Check
from dataprotect.engine.timeline_model import Choice
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from restores.services.engine_requests import target_of_server
from restores.services.hook_rules import hooks_require
from restores.services.restore_account import restore_address, restore_settings
from restores.services.wanted import chosen_backup, wanted_by


def system_request(
    request: RestoreRequest, choice: Choice | None = None, backup_id: str = ""
) -> FullSystemRequest:
    """`choice`: needed where files are written, exchanged and checked; taking back asks for none.

    Raises `restore.no_directory`, `restore.hook_not_allowed`.
    """
    target = target_of_server(request)
    settings, data = restore_settings(target), source_of(target).data_directory
    if data is None:
        raise ForeseenError(
            "restore.no_directory",
            f"Nobody entered the data directory of {target.name}, and a full system restore exchanges it.",
            "Enter it with the instance, and run a worker on its machine.",
        )
    hooks_require(settings.stop_command, settings.start_command)
    hooks = Hooks(tuple(settings.stop_command), tuple(settings.start_command))
    return FullSystemRequest(
        target=FullSystemTarget(restore_address(target), data, hooks),
        restore_id=request.restore_id,
        instance_id=request.instance.identifier,
        backup_id=backup_id or str(request.plan.get("backup", {}).get("backup_id", "")),
        choice=choice,
        binaries=server_binaries(),
    )


def origin_of(plain: Mapping[str, Any]) -> Origin:
    """As a step's evidence or a rollback point keeps it."""
    return Origin(**{**plain, "data_directory": Path(plain["data_directory"])})


def origin_step(run: RestoreRun) -> RestoreStep | None:
    """The step that noted who was who before anything was done; None when nothing was begun."""
    return run.steps.filter(kind="restore_files", evidence__has_key="origin").first()


def system_standing(request: RestoreRequest, origin: Origin) -> Standing:
    return full_system.standing(system_request(request), origin)


def system_preflight(request: RestoreRequest) -> Iterator[Check]:
    """What the engine would stumble over later, from the backup that will be chosen."""
    yield _own_server(request)
    name = "data directory"
    try:
        backup, choice = chosen_backup(wanted_by(request))
        wanted = system_request(request, choice, backup.backup_id)
        origin = full_system.origin(wanted)
        yield Check(name, True, str(wanted.target.data_directory), f"PostgreSQL {origin.major}")
        yield from full_system.preflight(repository_open(backup.repository), wanted, origin)
    except ForeseenError as error:
        yield Check(name, False, "where this worker can exchange it", f"{error.message} {error.action}")


def _own_server(request: RestoreRequest) -> Check:
    """Another instance's backups would be refused afterwards: a repository holds one cluster for each."""
    target = target_of_server(request)
    own = target == request.instance
    found = (
        "it is" if own else f"restore files into a folder on {target.name} and register it as a new instance"
    )
    return Check("target is the backup's own server", own, request.instance.name, found)
