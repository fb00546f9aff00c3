"""Small plain JSON objects of a repository, written so that no flipped byte goes unnoticed.

A document is stored as `{"document":{…},"sha256":"<hex>"}` and a line feed: canonical JSON (sorted keys,
no spaces, ASCII), the digest over the canonical JSON of the inner object. A reader demands the
exact bytes that a writer would have produced, so even a changed space or letter case is damage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dataprotect.core.errors import ForeseenError


class DamagedObject(ForeseenError):
    """A stored object is not what was written; the message names it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            "storage.damaged",
            f"The object {name} is damaged: {problem}.",
            "Verify the repository, restore from another backup or copy, and take a new full backup.",
        )
        self.object_name = name
        self.problem = problem


def canonical(value: Mapping[str, Any]) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII only. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def sealed_document(document: Mapping[str, Any]) -> bytes:
    """The stored form of `document`."""
    digest = hashlib.sha256(canonical(document)).hexdigest()
    return canonical({"document": document, "sha256": digest}) + b"\n"


def parse_canonical(name: str, data: bytes) -> dict[str, Any]:
    """The object that `canonical` plus a line feed wrote. Raises DamagedObject for any other bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedObject(name, "it is not readable JSON") from error
    if not isinstance(value, dict) or _rewritten(value) != data:
        raise DamagedObject(name, "its bytes are not in the canonical form")
    return value


def _rewritten(value: dict[str, Any]) -> bytes | None:
    try:
        return canonical(value) + b"\n"
    except ValueError:
        return None


def open_document(name: str, data: bytes) -> dict[str, Any]:
    """The inner document of the stored object `name`. Raises DamagedObject."""
    outer = parse_canonical(name, data)
    document = outer.get("document")
    if not isinstance(document, dict) or set(outer) != {"document", "sha256"}:
        raise DamagedObject(name, "it lacks its document or its digest")
    if hashlib.sha256(canonical(document)).hexdigest() != outer["sha256"]:
        raise DamagedObject(name, "its SHA-256 does not match")
    return document
