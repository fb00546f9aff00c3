"""Adding to the audit chain."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, models, transaction

from dataprotect.core import clock
from dataprotect.ops import chain, secrets
from dataprotect.ops.models import AuditEvent, AuditHead

Actor = AbstractBaseUser | str
SEAL_PURPOSE = "audit head"
_ADVISORY_LOCK = 0x0DA7A_A0D17
log = logging.getLogger(__name__)


def audit_record(
    *, actor: Actor, verb: str, subject: models.Model | str = "", data: Mapping[str, object] | None = None
) -> AuditEvent:
    """Append one event in the caller's transaction; it stands or falls with what it reports.

    `subject` is a row, or text such as `instance:12`. `data` is plain JSON without secrets.
    The chain has one end, and its lock is held until the caller commits: record last, after your own rows.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an audit event belongs into the transaction of what it reports")
    head = _locked_head()
    subject_type, subject_id = _name_of(subject)
    fields = {
        "sequence": head.sequence + 1,
        "at": clock.now(),
        "actor": actor_name(actor),
        "verb": verb,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "data_json": chain.canonical(data or {}),
        "previous_hash": head.hash or chain.GENESIS,
    }
    event = AuditEvent(**fields, hash=chain.link_hash(**fields))  # type: ignore[arg-type]
    event.save(force_insert=True)
    _move_head(head, event)
    return event


def actor_name(actor: Actor) -> str:
    """A user's login name; text (`system`, `command:root`) as it is."""
    return actor if isinstance(actor, str) else actor.get_username()


def head_message(sequence: int, digest: str) -> bytes:
    """What the head's seal covers."""
    return f"{sequence}:{digest}".encode()


@transaction.atomic
def _locked_head() -> AuditHead:
    """The end of the chain, ours alone until commit.

    SQLite transactions are IMMEDIATE, so whoever is in one is the only writer already.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        head = AuditHead(pk=1)
        newest = AuditEvent.objects.order_by("-sequence").first()
        if newest is not None:  # events without a head: somebody removed it, so it is never sealed again
            head.sequence, head.hash = newest.sequence, newest.hash
    return head


def _move_head(head: AuditHead, event: AuditEvent) -> None:
    """A seal that was broken stays broken: sealing anew would hide what somebody did to the chain."""
    intact = head.sequence == 0 or secrets.mac_is_right(
        SEAL_PURPOSE, head_message(head.sequence, head.hash), head.seal
    )
    if not intact:
        log.critical("the audit chain's head was changed from outside at event %s", head.sequence)
    head.sequence, head.hash = event.sequence, event.hash
    head.seal = secrets.mac(SEAL_PURPOSE, head_message(event.sequence, event.hash)) if intact else ""
    head.save()


def _name_of(subject: models.Model | str) -> tuple[str, str]:
    if isinstance(subject, models.Model):
        return subject._meta.model_name or "", str(subject.pk)
    kind, _, key = subject.partition(":")
    return kind, key
