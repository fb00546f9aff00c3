"""How a verification's checks are told."""

from __future__ import annotations

import io
from typing import Any

from restores.demo import evidence
from restores.demo.story import Story


def check(name: str, passed: bool | None, found: str = "", expected: str = "") -> dict[str, Any]:
    return {"name": name, "passed": passed, "found": found, "expected": expected}


def told(checks: list[dict[str, Any]], tell: Any = evidence.tell) -> str:
    out = io.StringIO()
    tell(Story(out), checks)
    return out.getvalue()


def test_checks_of_one_database_share_a_line() -> None:
    text = told(
        [
            check("databases", True, "the same 2", "2: a, b"),
            check("schema of a", True, "the same"),
            check("row counts of a", True, "1,234 rows, all as expected"),
            check("write probe in b", True, "all of it"),
            check("sequences of b", None, "there is none"),
        ]
    )
    assert text.splitlines() == [
        "     ok  databases: 2: a, b",
        "     ok  a: 1,234 rows; schema, row counts",
        "     ok  b: 0 rows; write probe",
    ]


def test_what_was_not_compared_is_said() -> None:
    text = told([check("row counts of a", True, "5 rows, all as expected; not compared: basket (unlogged)")])
    assert text.splitlines()[1].strip() == "not compared: basket (unlogged)"


def test_a_failed_check_is_told_in_every_word() -> None:
    checks = [check("schema of a", True), check("row counts of a", False, "4 rows", "5 rows")]
    text = told(checks, evidence.tell_failures)
    assert "FAILED  row counts of a" in text and "expected 5 rows" in text and "found    4 rows" in text
    assert "schema" not in text


def test_rows_are_counted_from_row_counts_alone() -> None:
    checks = [
        check("row counts of a", True, "1,234 rows, all as expected"),
        check("row counts of b", True, "5 rows, all as expected"),
        check("row digests of b", True, "99 rows"),
        check("row counts of c", None, "not possible"),
    ]
    assert evidence.rows_compared(checks) == 1239
