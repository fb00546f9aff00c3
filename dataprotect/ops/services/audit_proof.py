"""Proving the audit chain, and naming the first link that is not as it was written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.ops import chain, home, secrets
from dataprotect.ops.models import AuditEvent, AuditHead
from dataprotect.ops.services.audit import SEAL_PURPOSE, head_message

_ROWS_AT_ONCE = 2000
_ANCHOR_FILE = "audit-anchor.json"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A link seen earlier, by its number and hash. The chain must still contain it."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Proof:
    """`broken_at` is the number of the first link that is wrong; `reason` says how."""

    passed: bool
    events: int
    head_sequence: int
    head_hash: str
    broken_at: int | None = None
    reason: str = ""


class _Broken(Exception):
    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(reason)
        self.sequence, self.reason = sequence, reason


def audit_prove(*, anchors: tuple[Anchor, ...] = ()) -> Proof:
    """Read the chain once, with flat memory, and prove it against its sealed head and what was seen before.

    A chain that passes becomes the next anchor in the home, outside the database: a database put back to an
    earlier state is found by the next proof.
    """
    wanted = [*anchors, *_own_anchor()]
    newest = AuditEvent.objects.order_by("-sequence").values_list("sequence", flat=True).first() or 0
    head = AuditHead.objects.filter(pk=1).first() or AuditHead(pk=1)
    events = 0
    try:
        for event in _links(max(newest, head.sequence)):
            events += 1
            _check_anchors(event, wanted)
            if event.sequence == head.sequence and event.hash != head.hash:
                raise _Broken(event.sequence, "the head of the chain names another hash")
        _check_head(head, events)
        _check_all_seen(wanted, events)
    except _Broken as broken:
        return Proof(False, events, head.sequence, head.hash, broken.sequence, broken.reason)
    _keep_anchor(head)
    return Proof(True, events, head.sequence, head.hash)


def parse_anchor(text: str) -> Anchor:
    """`SEQUENCE:HASH`, as verify_audit prints it."""
    sequence, _, digest = text.partition(":")
    if not (sequence.isascii() and sequence.isdigit() and len(digest) == 64):
        raise InvalidInput("anchor", "Expected SEQUENCE:HASH, as an earlier verify_audit printed it.")
    return Anchor(int(sequence), digest)


def _links(up_to: int) -> Iterator[AuditEvent]:
    """Every event in order, each proved against its own fields and the one before."""
    previous, expected = chain.GENESIS, 1
    rows = AuditEvent.objects.filter(sequence__lte=up_to).order_by("sequence")
    for event in rows.iterator(chunk_size=_ROWS_AT_ONCE):
        if event.sequence != expected:
            raise _Broken(expected, f"it is missing; the next one there is {event.sequence}")
        if event.previous_hash != previous:
            raise _Broken(event.sequence, "it does not follow from the event before it")
        if event.hash != _hash(event):
            raise _Broken(event.sequence, "its content is not what was written")
        previous, expected = event.hash, expected + 1
        yield event


def _hash(event: AuditEvent) -> str:
    return chain.link_hash(
        sequence=event.sequence, at=event.at, actor=event.actor, verb=event.verb,
        subject_type=event.subject_type, subject_id=event.subject_id, data_json=event.data_json,
        previous_hash=event.previous_hash,
    )  # fmt: skip


def _check_head(head: AuditHead, events: int) -> None:
    if events < head.sequence:
        raise _Broken(events + 1, f"it is missing: the chain once had {head.sequence} events")
    if events > head.sequence:
        raise _Broken(head.sequence + 1, "it was added behind the chain's back")
    sealed = secrets.mac_is_right(SEAL_PURPOSE, head_message(head.sequence, head.hash), head.seal)
    if events and not sealed:
        raise _Broken(head.sequence, "the seal of the head is broken: the chain was changed from outside")


def _check_anchors(event: AuditEvent, anchors: list[Anchor]) -> None:
    if any(a.sequence == event.sequence and a.hash != event.hash for a in anchors):
        raise _Broken(event.sequence, "it is not the event that an earlier proof saw here")


def _check_all_seen(anchors: list[Anchor], events: int) -> None:
    furthest = max((anchor.sequence for anchor in anchors), default=0)
    if furthest > events:
        raise _Broken(events + 1, f"it is missing: an earlier proof saw {furthest} events")


def _anchor_file() -> Path:
    return home.keys() / _ANCHOR_FILE


def _own_anchor() -> list[Anchor]:
    try:
        kept = json.loads(_anchor_file().read_text())
        return [Anchor(kept["sequence"], kept["hash"])]
    except FileNotFoundError:
        return []


def _keep_anchor(head: AuditHead) -> None:
    draft = _anchor_file().with_suffix(f".{os.getpid()}")
    kept = asdict(Anchor(head.sequence, head.hash)) | {"proved_at": clock.iso(clock.now())}
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(kept, out)
    draft.replace(_anchor_file())
