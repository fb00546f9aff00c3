"""Writing a backup into a folder: a data directory that the server's own programs start."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from catalog.models import Backup, Instance
from catalog.services.access import Actor
from catalog.services.cleaning import save_clean
from catalog.services.opening import repository_open, server_binaries
from dataprotect.core import clock, validation
from dataprotect.engine.restore import RestoreRequest, RestoreResult
from dataprotect.engine.restore import restore_files as engine_restore
from dataprotect.engine.timeline_model import Target
from dataprotect.ops import home, queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from restores.models import RestoredFolder
from restores.services.wanted import chosen_backup, wanted_of

TASK = "restores.tasks.run_restore_files"
_OWNER = "postgres"


def restore_files_start(
    *,
    actor: Actor,
    backup: Backup | None,
    target: str,
    tablespaces: Mapping[str, str] | None = None,
    instance: Instance | None = None,
    recovery_target: Target | None = None,
) -> Job:
    """`target` and the folders of `tablespaces` (by name) are on the worker, empty or not there yet.

    With a `recovery_target` the folder's server recovers to it when it is started; without a backup the best
    one of the instance is chosen. Raises `access.denied`, `input.path`, `target.outside`, `target.no_window`.
    """
    wanted = wanted_of(actor=actor, backup=backup, instance=instance, target=recovery_target)
    folder = validation.local_path(target)
    spaces = {name: str(validation.local_path(place)) for name, place in (tablespaces or {}).items()}
    return queue.enqueue(
        TASK,
        arguments={**wanted.arguments, "folder": str(folder), "tablespaces": spaces},
        actor=actor,
        subject=wanted.instance.subject,
        title=f"Restore {wanted.title} into {folder}"[:200],
        exclusive=f"folder:{folder}"[:200],
    )


def restore_files_run(
    *, context: JobContext, wanted: Mapping[str, Any], folder: str, tablespaces: Mapping[str, str]
) -> dict[str, Any]:
    """Restore and record. A repeated run is refused by its own half-filled folder, which says what it is."""
    backup, choice = chosen_backup(wanted)
    request = RestoreRequest(
        instance_id=backup.instance.identifier,
        backup_id=backup.backup_id,
        target=Path(folder),
        tablespace_map={name: Path(place) for name, place in tablespaces.items()},
        owner=home.clone_user() or _OWNER,
        binaries=server_binaries(),
        choice=choice,
    )
    result = engine_restore(repository_open(backup.repository), request, context)
    _record(context, backup, result, str(choice.target) if choice else "")
    return {
        "backup_id": backup.backup_id,
        "target": str(choice.target) if choice else None,
        "data_directory": str(result.target),
        "tablespaces": dict(result.tablespaces),
        "files": result.files,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "server_major": result.server_major,
        "notes": list(result.notes),
    }


@transaction.atomic
def _record(context: JobContext, backup: Backup, result: RestoreResult, target: str) -> None:
    context.hold()
    row = RestoredFolder(
        backup=backup,
        job_id=context.job_id,
        folder=str(result.target),
        target=target,
        tablespaces=dict(result.tablespaces),
        files=result.files,
        bytes_written=result.bytes,
        seconds=result.seconds,
        worker=socket.gethostname(),
        created_by=context.actor,
        finished_at=clock.now(),
    )
    save_clean(row)
    data = {"backup": backup.backup_id, "folder": row.folder, "worker": row.worker, "target": target}
    audit_record(actor=context.actor, verb="backup.restored_to_folder", subject=backup.subject, data=data)
