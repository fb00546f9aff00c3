"""A verification's checks for the terminal: one line per database when all is well, every word when not."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from restores.demo.story import Story

Check = Mapping[str, Any]
WIDEST = 100
_OF_A_DATABASE = re.compile(r"(?P<what>.+?) (?:of|in) (?P<database>.+)")
_ROWS = re.compile(r"([\d,]+) rows?\b")


def tell(story: Story, checks: Iterable[Check]) -> None:
    """What passed. Checks of one database share a line; remarks about what was not compared get their own."""
    by_database: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        found = _OF_A_DATABASE.fullmatch(check["name"])
        if found:
            by_database[found["database"]].append(check)
        elif check["passed"]:
            story.say(f"  ok  {check['name']}: {_shortened(str(check['expected']))}")
    for database, its_checks in by_database.items():
        first, *more = textwrap.wrap(f"{database}: {_summary(its_checks)}", WIDEST - 12)
        story.say(f"  ok  {first}")
        for line in more:
            story.say(f"      {line}")
        for check in its_checks:
            _remark(story, check)


def tell_failures(story: Story, checks: Iterable[Check]) -> None:
    for check in checks:
        if check["passed"] is False:
            story.say(f"  FAILED  {check['name']}")
            story.say(f"          expected {check['expected']}")
            story.say(f"          found    {check['found']}")


def rows_compared(checks: Iterable[Check]) -> int:
    """Rows of all tables whose counts were compared."""
    return sum(_rows(check) for check in checks)


def _rows(check: Check) -> int:
    found = _ROWS.match(str(check["found"])) if check["name"].startswith("row counts") else None
    return int(found[1].replace(",", "")) if found else 0


def _summary(checks: list[Check]) -> str:
    names = [_what(check) for check in checks if check["passed"]]
    return f"{rows_compared(checks):,} rows; " + ", ".join(names)


def _what(check: Check) -> str:
    found = _OF_A_DATABASE.fullmatch(check["name"])
    return found["what"] if found else str(check["name"])


def _remark(story: Story, check: Check) -> None:
    """A passed check may say what it left out, after a semicolon: a reader must see that."""
    _, found, remark = str(check["found"]).partition("; ")
    if check["passed"] and found:
        story.say(f"      {_shortened(remark)}")


def _shortened(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
