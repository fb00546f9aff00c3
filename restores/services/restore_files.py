"""Writing a backup into a folder: a data directory that the server's own programs start."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from catalog.models import Backup
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.services.opening import repository_open
from dataprotect.core import clock, validation
from dataprotect.engine.restore import RestoreRequest, RestoreResult
from dataprotect.engine.restore import restore_files as engine_restore
from dataprotect.ops import home, queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from restores.models import RestoredFolder

TASK = "restores.tasks.run_restore_files"
_OWNER = "postgres"


def restore_files_start(
    *, actor: Actor, backup: Backup, target: str, tablespaces: Mapping[str, str] | None = None
) -> Job:
    """`target` and the folders of `tablespaces` (by name) are on the worker, empty or not there yet.

    Raises `access.denied`, `input.path`.
    """
    require(actor=actor, permission="catalog.restore_instance", instance=backup.instance)
    folder = validation.local_path(target)
    spaces = {name: str(validation.local_path(place)) for name, place in (tablespaces or {}).items()}
    return queue.enqueue(
        TASK,
        arguments={"backup_id": backup.backup_id, "target": str(folder), "tablespaces": spaces},
        actor=actor,
        subject=backup.instance.subject,
        title=f"Restore {backup.backup_id} into {folder}"[:200],
        exclusive=f"folder:{folder}"[:200],
    )


def restore_files_run(
    *, context: JobContext, backup_id: str, target: str, tablespaces: Mapping[str, str]
) -> dict[str, Any]:
    """Restore and record. A repeated run is refused by its own half-filled folder, which says what it is."""
    backup = Backup.objects.select_related("instance", "repository").get(backup_id=backup_id)
    request = RestoreRequest(
        instance_id=backup.instance.identifier,
        backup_id=backup_id,
        target=Path(target),
        tablespace_map={name: Path(place) for name, place in tablespaces.items()},
        owner=home.clone_user() or _OWNER,
    )
    result = engine_restore(repository_open(backup.repository), request, context)
    _record(context, backup, result)
    return {
        "backup_id": backup_id,
        "data_directory": str(result.target),
        "tablespaces": dict(result.tablespaces),
        "files": result.files,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "server_major": result.server_major,
        "notes": list(result.notes),
    }


@transaction.atomic
def _record(context: JobContext, backup: Backup, result: RestoreResult) -> None:
    context.hold()
    row = RestoredFolder(
        backup=backup,
        job_id=context.job_id,
        folder=str(result.target),
        tablespaces=dict(result.tablespaces),
        files=result.files,
        bytes_written=result.bytes,
        seconds=result.seconds,
        worker=socket.gethostname(),
        created_by=context.actor,
        finished_at=clock.now(),
    )
    save_clean(row)
    data = {"backup": backup.backup_id, "folder": row.folder, "worker": row.worker}
    audit_record(actor=context.actor, verb="backup.restored_to_folder", subject=backup.subject, data=data)
