"""How one audit event becomes a link: canonical JSON over every field and the previous hash, SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

GENESIS = "0" * 64


def canonical(value: Mapping[str, object]) -> str:
    """Sorted keys, no blanks, text as it is, no NaN: the same value always gives the same bytes.

    Raises TypeError for anything that is not plain JSON (a `Secret` among them).
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def instant(at: datetime) -> str:
    """UTC with microseconds: exactly what both databases keep."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def link_hash(
    *, sequence: int, at: datetime, actor: str, verb: str, subject_type: str, subject_id: str,
    data_json: str, previous_hash: str,
) -> str:  # fmt: skip
    """The hash of one event, 64 hexadecimal digits."""
    link = {
        "actor": actor,
        "at": instant(at),
        "data": data_json,
        "previous": previous_hash,
        "sequence": sequence,
        "subject_id": subject_id,
        "subject_type": subject_type,
        "verb": verb,
    }
    return hashlib.sha256(canonical(link).encode()).hexdigest()
