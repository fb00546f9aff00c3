"""Rotating the key-encryption key: a new key, and further wrapped copies beside the old ones."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from catalog.models import EncryptionKey, Instance, Repository
from catalog.services.access import Actor, require
from catalog.services.keyring import key_record, keyring_ensure
from catalog.services.opening import PASSWORD_FIELD, repository_open
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops import queue, secrets
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.keys.local import LocalKeyring

TASK = "catalog.tasks.run_key_rotation"


def key_rotate_start(*, actor: Actor) -> Job:
    """Raises `access.denied`."""
    require(actor=actor, permission="catalog.rotate_encryptionkey")
    return queue.enqueue(
        TASK, actor=actor, subject="keys:local", title="Rotate the keys", exclusive="keys:local"
    )


def key_rotate_run(*, context: JobContext) -> dict[str, Any]:
    """A new current key; every data key of every repository is wrapped with it too; nothing is rewritten.

    A job that was interrupted after it made its key goes on with that key. A repository that cannot be
    reached is named in the failure, after all others were done: its backups stay readable with the older key.
    """
    keyring = keyring_ensure(actor=context.actor)
    asked_at = Job.objects.values_list("created_at", flat=True).get(pk=context.job_id)
    if clock.parse_iso(keyring.current.created_at) < asked_at:
        context.phase("new key")
        _add_key(context, keyring)
    wrapped, left = 0, []
    for row in Repository.objects.order_by("name"):
        context.phase(f"wrap the data keys of {row.name}")
        try:
            wrapped += len(repository_open(row, write=True).rotate())
        except ForeseenError as error:
            left.append(f"{row.name}: {error.message}")
        context.checkpoint()
    resealed = _reseal_passwords(context)
    if left:
        raise ForeseenError(
            "key.rotation_incomplete",
            f"The new key {keyring.current.key_id} is in use, but not everywhere: {' '.join(left)}",
            "Make these repositories reachable and rotate again; keep every key of the keyring until then.",
        )
    return {
        "key_id": keyring.current.key_id, "data_keys_wrapped": wrapped, "passwords_resealed": resealed,
        "keys": EncryptionKey.objects.count(),
    }  # fmt: skip


def _add_key(context: JobContext, keyring: LocalKeyring) -> None:
    key = keyring.add_key()
    with transaction.atomic():
        context.hold()
        key_record(actor=context.actor, keyring=keyring, key=key)
    secrets.rotate()


def _reseal_passwords(context: JobContext) -> int:
    """Passwords move under the new field key one row at a time, so that a change meanwhile is not lost."""
    count = 0
    for key in Instance.objects.exclude(password_sealed="").values_list("pk", flat=True):
        with transaction.atomic():
            context.hold()
            row = Instance.objects.select_for_update().get(pk=key)
            if row.password_sealed and secrets.needs_reseal(row.password_sealed):
                row.password_sealed = secrets.reseal(
                    row.password_sealed, secrets.row_aad(row, PASSWORD_FIELD)
                )
                row.save(update_fields=[PASSWORD_FIELD])
                count += 1
    if count:
        with transaction.atomic():
            audit_record(actor=context.actor, verb="secrets.resealed", data={"passwords": count})
    return count
