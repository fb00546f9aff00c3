"""What of a block is as it was in the backup that the new one builds on: by content, page by page.

A page counts as unchanged only when the XXH3-64 of its bytes is that of the base's page. Positions inside the
pages alone would not do: hint bits, `pg_checksums --enable` and a server set back to an older state change
pages and leave their positions alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from xxhash import xxh3_64_digest

from dataprotect.storage.model import PAGE, Pages

HASH = 8
"""Bytes of one page's hash: XXH3-64 in its canonical (big-endian) form."""


class OldBlock(NamedTuple):
    """A block of the base: `pieces` (JSON, without the outer brackets) and `pages` (JSON or '') name sources
    as the new backup counts them."""

    digest: bytes
    length: int
    pieces: str
    pages: str


class Run(NamedTuple):
    """Neighbouring bytes of a block that are all kept, or all to be stored."""

    start: int
    end: int
    changed: bool


def page_hashes(data: memoryview) -> bytes:
    """The hashes of all pages, one after the other; a shorter last page is hashed as it is."""
    return b"".join([xxh3_64_digest(data[start : start + PAGE]) for start in range(0, len(data), PAGE)])


def changed_pages(new: bytes, old: bytes, new_length: int, old_length: int) -> Pages:
    """Which pages of the new block differ from the base's, given both blocks' hashes and lengths."""
    mine, base = np.frombuffer(new, "u8"), np.frombuffer(old, "u8")
    changed = np.ones(len(mine), dtype=bool)
    both = min(len(mine), len(base))
    changed[:both] = mine[:both] != base[:both]
    if new_length != old_length:
        changed[min(new_length, old_length) // PAGE :] = True  # a page that is only there in part is no page
    return changed


def runs(changed: Pages, length: int) -> Iterator[Run]:
    """The block as alternating runs."""
    edges = [0, *(int(edge) + 1 for edge in np.flatnonzero(changed[1:] != changed[:-1])), len(changed)]
    for first, end in pairwise(edges):
        yield Run(first * PAGE, min(end * PAGE, length), bool(changed[first]))


def parse_pieces(pieces: str) -> list[list[int]]:
    """Pieces as in the manifest, from their JSON without the outer brackets."""
    found: list[list[int]] = json.loads(f"[{pieces}]")
    return found


class OldPieces:
    """The pieces of a base's block, from their JSON without the outer brackets, cut in order and in one go: a
    block that changed a little in many backups has as many pieces as pages.
    """

    def __init__(self, pieces: str) -> None:
        self._items = [item.rsplit(",", 2) for item in pieces[1:-1].split("],[")]
        self._index = self._reached = 0

    def part(self, start: int, end: int) -> Iterator[str]:
        """The bytes `start` to `end` of the block as pieces (JSON); no `start` before an earlier end."""
        while self._index < len(self._items):
            place, at, length = self._items[self._index]
            after = self._reached + int(length)
            first, last = max(start, self._reached), min(end, after)
            if first < last:
                yield f"[{place},{int(at) + first - self._reached},{last - first}]"
            if after > end:
                return
            self._index, self._reached = self._index + 1, after
