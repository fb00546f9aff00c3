"""Which pages of the source are damaged: judged while they are read, named when the backup is over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np

from dataprotect.engine.databases.postgresql import layout, page_checksum
from dataprotect.engine.databases.postgresql.page_checksum import PAGE_SIZE

_LOOKS = 5
_PAUSE = 0.03
_KEPT = 1000
"""Pages remembered by name; beyond that they are only counted."""

ReadAgain = Callable[[int], bytes]
"""The page at this offset of the file, once more; fewer bytes than a page when the file is shorter now."""


class WholeFile(NamedTuple):
    """A small file of a relation, all of it in `data`; the rest as for `PageInspector.inspect`."""

    path: str
    relation: layout.RelationFile
    data: memoryview
    again: ReadAgain | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page that did not pass. `path` as in the backup, `offset` within that file, `lsn` what it claims."""

    path: str
    block: int
    offset: int
    lsn: int


class PageInspector:
    """Thread-safe. `start` is the position the backup began at; pages newer than it are restored from the
    log.

    A page that claims a position the log has not reached by the end of the backup cannot be newer: it is
    damaged. `base_judged`: the backup that this one builds on found all pages sound that it could judge.
    """

    def __init__(
        self, *, enabled: bool, start: int, blocks_per_segment: int, base_judged: bool = False
    ) -> None:
        self._enabled = enabled
        self._base_judged = base_judged
        self._start = start
        self._blocks_per_segment = blocks_per_segment
        self._lock = Lock()
        self.damaged: list[Page] = []
        self.unclear: list[Page] = []
        self._newer: list[Page] = []
        self.uncounted = 0
        self.checked = 0

    def wants(self, path: str) -> layout.RelationFile | None:
        """What `path` (within its root) is as a relation whose pages carry checksums, None when it is
        none.
        """
        return layout.relation_file(path) if self._enabled else None

    def inspect(
        self,
        path: str,
        relation: layout.RelationFile,
        data: memoryview,
        offset: int,
        again: ReadAgain | None,
        changed: page_checksum.Flags | None = None,
    ) -> bool:
        """Look at the pages in `data`, read from `offset`. True when one of them was put right.

        `changed` marks what differs from the base or is newer than its beginning: the base's judgement on the
        other pages is as good as a new one, because it was of the same bytes at the same place.
        With `again` every page is judged, and one that was read torn is put right in `data`. Without it (the
        server streams, and checks older pages itself) only those the server does not judge are looked at.
        """
        among = changed if self._base_judged else None
        first = layout.first_block(relation, self._blocks_per_segment) + offset // PAGE_SIZE
        righted = False
        blocks = page_checksum.block_numbers(first, len(data))
        for found in self._wrong(data, blocks, among, everything=again is not None):
            at = found.index * PAGE_SIZE
            page = Page(path, first + found.index, offset + at, found.lsn)
            righted |= self._judge(page, data[at : at + PAGE_SIZE], again)
        with self._lock:
            self.checked += len(data) // PAGE_SIZE if among is None else int(among.sum())
        return righted

    def inspect_files(self, files: Sequence[WholeFile]) -> None:
        """Look at many small files at once, and one by one only when something is wrong: to look at a page
        alone costs as much as to look at a hundred.
        """
        pages = [file.data[: len(file.data) // PAGE_SIZE * PAGE_SIZE] for file in files]
        data = memoryview(b"".join(pages))
        if not data:
            return
        blocks = np.concatenate(
            [
                page_checksum.block_numbers(
                    layout.first_block(file.relation, self._blocks_per_segment), len(file.data)
                )
                for file in files
            ]
        )
        if self._wrong(data, blocks, None, everything=any(file.again is not None for file in files)):
            for file in files:
                self.inspect(file.path, file.relation, file.data, 0, file.again)
        else:
            with self._lock:
                self.checked += len(blocks)

    def _wrong(
        self, data: memoryview, blocks: page_checksum.Blocks, among: page_checksum.Flags | None, *,
        everything: bool,
    ) -> list[page_checksum.Judgement]:  # fmt: skip
        if among is not None and not among.any():
            return []
        return page_checksum.wrong_pages(data, blocks, 0 if everything else self._start, among)

    def _judge(self, page: Page, data: memoryview, again: ReadAgain | None) -> bool:
        """True when `data` was put right."""
        if page.lsn >= self._start:
            self._remember(self._newer, page)
        elif again is None:
            self._remember(self.unclear, page)
        elif (better := self.look_again(page, again)) is None:
            self._remember(self.damaged, page)
        elif len(better) == PAGE_SIZE:
            data[:] = better
            return True
        return False

    def look_again(self, page: Page, again: ReadAgain) -> bytes | None:
        """The page as a later read shows it sound, newer or gone (short); None when it stays damaged."""
        for attempt in range(_LOOKS):
            time.sleep(_PAUSE * attempt)
            data = again(page.offset)
            wrong = page_checksum.wrong_pages(data, page_checksum.block_numbers(page.block, PAGE_SIZE))
            if not wrong or wrong[0].lsn >= self._start:
                return data
        return None

    def _remember(self, where: list[Page], page: Page) -> None:
        with self._lock:
            if len(where) < _KEPT:
                where.append(page)
            else:
                self.uncounted += 1

    def condemn(self, path: str, block: int) -> None:
        """The server found the page `block` (counted within the file `path`) damaged."""
        relation = layout.relation_file(path.removeprefix("pgdata/")) or layout.relation_file(
            re.sub(r"^tablespaces/[0-9]+/", "", path)
        )
        first = layout.first_block(relation, self._blocks_per_segment) if relation else 0
        self._remember(self.damaged, Page(path, first + block, block * PAGE_SIZE, 0))

    def conclude(self, stop: int) -> None:
        """Condemn the pages that claim to be newer than the end of the backup."""
        self.damaged.extend(page for page in self._newer if page.lsn > stop)
        self._newer.clear()
