"""Asking for a backup."""

from __future__ import annotations

from catalog.models import Instance
from catalog.services.access import Actor, require
from catalog.states import BackupType
from dataprotect.core.errors import InvalidInput
from dataprotect.ops import queue
from dataprotect.ops.models import Job

TASK = "catalog.tasks.run_backup"
READERS = ("auto", "local", "streamed")


def backup_start(
    *, actor: Actor, instance: Instance, type: str = "full", reader: str = "auto", wait: bool = True
) -> Job:
    """Queue a backup. It waits behind another writer of the instance, or with `wait` False is refused.

    What a differential or incremental one builds on is chosen when it begins; without a usable base it is a
    full.

    Raises `access.denied`, `input.type`, `input.reader`, `job.busy`.
    """
    require(actor=actor, permission="catalog.backup_instance", instance=instance)
    _check_type(type)
    if reader not in READERS:
        raise InvalidInput("reader", f"Expected the reader to be one of {', '.join(READERS)}.")
    return queue.enqueue(
        TASK,
        arguments={"instance_id": instance.pk, "type": type, "reader": reader},
        actor=actor,
        subject=instance.subject,
        title=f"Back up {instance.name}",
        exclusive=instance.exclusive_key,
        wait=wait,
    )


def _check_type(type: str) -> None:
    if type not in BackupType.values:
        raise InvalidInput(
            "type", f"Expected the type of backup to be one of {', '.join(BackupType.values)}."
        )
