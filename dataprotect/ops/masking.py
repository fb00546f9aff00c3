"""Secrets never reach a log: known values are remembered here and masked in every line."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import threading
from pathlib import Path

MASK = "•••"
_SHORTEST_WORTH_MASKING = 4
_known: set[str] = set()
_lock = threading.Lock()
# What looks like a credential is masked even if nobody told us about it.
_SHAPES = [
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(password|passwd|pwd|secret|secret_key|token|api_key)(['\"]?\s*[=:]\s*)"
                r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s,;)&]+)"), rf"\1\2{MASK}"),
]  # fmt: skip


def remember(value: str) -> None:
    """Mask `value` in all this process logs from now on. Very short values would mask ordinary words."""
    if len(value) >= _SHORTEST_WORTH_MASKING:
        with _lock:
            _known.add(value)


def mask(text: str) -> str:
    """`text` with every remembered value, and whatever looks like a credential, replaced."""
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    for value in known:
        text = text.replace(value, MASK)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


class MaskingFormatter(logging.Formatter):
    """Formats the record, traceback included, and masks the result: nothing slips past through arguments."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


class SentenceFormatter(logging.Formatter):
    """The masked message alone, for a terminal: no traceback, no machinery."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(f"{record.levelname.capitalize()}: {record.getMessage()}")


class PrivateFileHandler(logging.handlers.WatchedFileHandler):
    """A log file only its owner reads, in a folder made when first needed; logrotate may move it away."""

    def _open(self):  # type: ignore[no-untyped-def]
        Path(self.baseFilename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(handle, self.mode, encoding="utf-8")
