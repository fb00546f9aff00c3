"""Columns that are filled by the server, and columns that are no longer what they were."""

from __future__ import annotations

import pytest

from dataprotect.core.errors import ForeseenError
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, Two, failed, rows, table


def _checks(both: Two, name: str, **more: object) -> dict[str, tuple[bool | None, str]]:
    (facts,) = both.inspect(name, **more)  # type: ignore[arg-type]
    return {check.name: (check.passed, check.found) for check in facts.checks}


@pytest.mark.parametrize("identity", ["ALWAYS", "BY DEFAULT"])
def test_identity_and_generated_columns(two: MakeTwo, identity: str) -> None:
    both = two(
        f"CREATE TABLE t (id int GENERATED {identity} AS IDENTITY (START 100) PRIMARY KEY, a int, "
        "b int GENERATED ALWAYS AS (a * 2) STORED)",
        "INSERT INTO t (a) SELECT g FROM generate_series(1, 10) AS g",
    )
    both.live.execute("UPDATE t SET a = -1 WHERE id = 100")
    both.live.execute("DELETE FROM t WHERE id > 104")
    both.live.execute("ALTER TABLE t ALTER id RESTART WITH 3")

    result = both.rescue("replace", "t")

    assert rows(both.live, "t") == rows(both.then, "t") and failed(result) == []
    assert any("t_id_seq stood at 3 and was moved past" in note for note in result.notes)
    both.live.execute("INSERT INTO t (a) VALUES (5)")  # its number is free


@pytest.mark.parametrize(
    ("definition", "behind"),
    [
        ("id serial PRIMARY KEY", "SELECT setval('t_id_seq', 2)"),
        ("id int PRIMARY KEY DEFAULT nextval('shared')", "SELECT setval('shared', 5)"),
        ("id int PRIMARY KEY DEFAULT nextval('down')", "SELECT setval('down', -1)"),
        ("id int PRIMARY KEY DEFAULT nextval('far')", "SELECT setval('far', 1)"),
    ],
)
def test_sequences_follow_and_never_go_back(two: MakeTwo, definition: str, behind: str) -> None:
    both = two(
        "CREATE SEQUENCE shared INCREMENT 5 CACHE 10",
        "CREATE SEQUENCE down INCREMENT -1",
        "CREATE SEQUENCE far",
        "SELECT setval('far', 1000000)",
        f"CREATE TABLE t ({definition}, a int)",
        "INSERT INTO t (a) SELECT g FROM generate_series(1, 20) AS g",
    )
    both.live.execute("DELETE FROM t")
    both.live.execute(behind)

    result = both.rescue("merge", "t")

    assert failed(result) == [] and any("was moved past" in note for note in result.notes)
    assert any(check.name.startswith("sequence") and check.passed for check in result.checks)
    probe = next(check for check in result.checks if check.name.startswith("write probe"))
    assert probe.passed and "inserted" in probe.expected
    both.live.execute("INSERT INTO t (a) VALUES (21), (22)")

    query = "SELECT last_value FROM pg_sequences WHERE last_value IS NOT NULL ORDER BY 1"
    stands = both.live.execute(query).fetchall()
    both.live.execute("DELETE FROM t WHERE a < 5")
    again = both.rescue("merge", "t", restore_id="r2")
    assert not any("was moved past" in note for note in again.notes)
    now = both.live.execute(query).fetchall()
    assert [abs(b[0]) >= abs(a[0]) for a, b in zip(stands, now, strict=True)] == [True] * len(now)


def test_a_column_added_or_dropped_since_is_named(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, old text, kept text)",
        "INSERT INTO t SELECT g, 'old', 'k' || g FROM generate_series(1, 5) AS g",
    )
    both.live.execute("ALTER TABLE t DROP old, ADD state text NOT NULL DEFAULT 'open', ADD mark int")
    both.live.execute("UPDATE t SET state = 'paid', mark = 7, kept = 'changed' WHERE id = 5")
    both.live.execute("DELETE FROM t WHERE id < 4")
    before = rows(both.live, "t")

    checks = _checks(both, "t")
    assert checks["column old"] == (None, "dropped since: its values do not come back")
    assert checks["column state"] == (None, "added since: rows inserted get its default")
    assert {column.name: column.difference for column in both.inspect("t")[0].columns} == {
        "id": "", "kept": "", "state": "added", "mark": "added", "old": "dropped",
    }  # fmt: skip
    assert both.compare("t")[0].notes == (
        "The column state was added since; it is not compared.",
        "The column mark was added since; it is not compared.",
        "The column old was dropped since; it is not compared.",
    )

    assert failed(both.rescue("replace", "t")) == []
    assert rows(both.live, "t") == [
        (1, "k1", "open", None), (2, "k2", "open", None), (3, "k3", "open", None), (4, "k4", "open", None),
        (5, "k5", "paid", 7),
    ]  # fmt: skip
    both.undo()
    assert rows(both.live, "t") == before


def test_a_column_that_no_old_row_can_fill_is_refused(two: MakeTwo) -> None:
    both = two("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    both.live.execute("DELETE FROM t")
    both.live.execute("ALTER TABLE t ADD state text NOT NULL")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t")

    assert refused.value.code == "table_rescue.impossible"
    assert "column state: added since, never null, no default" in refused.value.message


def test_a_type_changed_since_is_converted_or_refused_in_words(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(5), at timestamp)",
        "INSERT INTO t SELECT g, g, g, '2026-01-01' FROM generate_series(1, 9) AS g",
    )
    both.live.execute(
        "ALTER TABLE t ALTER id TYPE bigint, ALTER n TYPE bigint, ALTER s TYPE text, "
        "ALTER at TYPE timestamptz"
    )
    both.live.execute("DELETE FROM t WHERE id < 4")
    both.live.execute("UPDATE t SET n = 0 WHERE id = 9")

    (found,) = both.compare("t")
    assert (found.same, found.missing, found.changed, found.extra) == (5, 3, 1, 0)
    assert len(found.notes) == 1 and "timestamp with time zone; it is not compared" in found.notes[0]
    assert failed(both.rescue("replace", "t")) == []
    query = "SELECT count(*), sum(n) FROM t WHERE at::date = '2026-01-01'"
    assert both.live.execute(query).fetchone() == (9, 45)

    both.live.execute("ALTER TABLE t ALTER s TYPE date USING NULL")
    both.live.execute("DELETE FROM t")
    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t", restore_id="r2")
    assert "date" in refused.value.message and rows(both.live, "t") == []


def test_a_stricter_rule_since_is_said_in_words(two: MakeTwo) -> None:
    both = two("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, -1), (2, 2)")
    both.live.execute("DELETE FROM t")
    both.live.execute("ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0)")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t")

    assert refused.value.code == "table_rescue.refused_by_table" and "positive" in refused.value.message
    assert rows(both.live, "t") == []


def test_checks_and_defaults_find_what_they_name_without_a_schema(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE limits (n int)",
        "CREATE FUNCTION limit_of() RETURNS int LANGUAGE sql AS 'SELECT max(n) FROM limits'",
        "INSERT INTO limits VALUES (10)",
        "CREATE FUNCTION fits(n int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN n <= limit_of(); END'",
        "CREATE TABLE t (id int PRIMARY KEY, n int CHECK (fits(n)))",
        "INSERT INTO t VALUES (1, 1)",
    )
    both.live.execute("DELETE FROM t")
    assert failed(both.rescue("merge", "t")) == []
    assert rows(both.live, "t") == [(1, 1)]


def test_what_is_no_table_is_refused_by_its_kind(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE UNLOGGED TABLE u (id int PRIMARY KEY)",
        "CREATE TABLE ruled (id int PRIMARY KEY)",
        "CREATE RULE r AS ON INSERT TO ruled DO INSTEAD NOTHING",
    )
    assert _checks(both, "v")["table in the live database"] == (False, "view")
    assert _checks(both, "nothing")["table in the clone"] == (False, "nothing of this name")
    assert _checks(both, "u")["rows in the clone"][0] is False
    assert _checks(both, "ruled")["rules"][0] is False
    assert all(passed for passed, _ in _checks(both, "t").values())
    for name in ("v", "nothing"):
        with pytest.raises(ForeseenError) as refused:
            both.compare(name)
        assert refused.value.code == "table_rescue.impossible"
    with pytest.raises(ForeseenError, match="each once"):
        both.rescue("merge", "t", "t")
    with pytest.raises(ForeseenError, match="only there"):
        both.rescue("merge", "t", rows={table("t"): (("1",),)})


def test_a_type_the_live_database_lost_is_named_before_loading_beside(two: MakeTwo) -> None:
    both = two("CREATE TYPE mood AS ENUM ('ok')", "CREATE TABLE t (id int PRIMARY KEY, m mood)")
    both.live.execute("DROP TYPE mood CASCADE")
    assert _checks(both, "t", mode="beside")["types"] == (False, "the live database lacks public.mood")
