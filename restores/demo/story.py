"""The demo's words on the terminal: chapters, what happens, and each proof with its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TextIO

WIDTH = 18
_KIB = 1024


class Story:
    """Writes to `out`, flushed line by line, so that a pipe sees each proof when it happens."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._chapter = 0
        self._live = out.isatty()

    def title(self, text: str) -> None:
        self._line(text)
        self._line("=" * len(text))

    def chapter(self, text: str) -> None:
        self._chapter += 1
        self._line("")
        self._line(f"{self._chapter}. {text}")

    def say(self, text: str) -> None:
        self._line(f"   {text}")

    def fact(self, name: str, value: str) -> None:
        self._line(f"   {name:<{WIDTH}}{value}")

    def proof(self, sentence: str) -> None:
        """Something that was shown to be true, just now."""
        self._line(f"   proved: {sentence}")

    def table(self, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        lines = [head, *rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self._line("   " + "  ".join(cells).rstrip())

    def progress(self, text: str) -> None:
        """A line that the next one overwrites; nothing when nobody watches."""
        if self._live:
            self._out.write(f"\r\033[K   {text}")
            self._out.flush()

    def blank(self) -> None:
        self._line("")

    def json(self, text: str) -> None:
        self._line(text)

    def _line(self, text: str) -> None:
        self._out.write(("\r\033[K" if self._live else "") + text + "\n")
        self._out.flush()


def amount(size: float) -> str:
    """Bytes for people: `241 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 10 * _KIB or unit == "GiB":
            break
        size /= _KIB
    return f"{size:,.0f} {unit}" if size >= 100 or unit == "B" else f"{size:,.1f} {unit}"


def took(seconds: float) -> str:
    """`0.06 s`, `4.3 s`."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


def tally(checks: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
    """How many checks passed, failed, and did not apply."""
    verdicts = [check["passed"] for check in checks]
    return verdicts.count(True), verdicts.count(False), verdicts.count(None)
