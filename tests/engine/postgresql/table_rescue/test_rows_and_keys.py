"""How rows are told apart: keys of every kind, none at all, and names nobody should choose."""

from __future__ import annotations

from collections import Counter

import pytest
from psycopg import sql

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.table_rescue.differences import Tally, merged
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, failed, rows, table


def _counts(found) -> tuple[int, int, int, int]:
    return found.same, found.missing, found.changed, found.extra


def test_a_comparison_counts_everything_and_shows_a_sample(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE orders (id int PRIMARY KEY, buyer text, note text)",
        "INSERT INTO orders SELECT g, 'b' || g, repeat('x', 300) FROM generate_series(1, 50) AS g",
    )
    both.live.execute("DELETE FROM orders WHERE id <= 20")
    both.live.execute("UPDATE orders SET buyer = NULL WHERE id > 45")
    both.live.execute("INSERT INTO orders VALUES (51, 'new', '')")

    (found,) = both.compare("orders", sample=3)

    assert (found.source_rows, found.target_rows) == (50, 31)
    assert _counts(found) == (25, 20, 5, 1)
    kinds = [(each.kind, each.key) for each in found.differences]
    assert kinds == [
        ("missing", ("1",)), ("missing", ("2",)), ("missing", ("3",)),
        ("changed", ("46",)), ("changed", ("47",)), ("changed", ("48",)), ("extra", ("51",)),
    ]  # fmt: skip
    changed = found.differences[3]
    assert changed.columns == ("buyer",)
    assert changed.then is not None and changed.now is not None
    assert (changed.then["buyer"], changed.now["buyer"]) == ("b46", None)
    assert len(changed.then["note"] or "") == 201 and (changed.then["note"] or "").endswith("…")
    assert found.differences[0].now is None and found.differences[-1].then is None

    (private,) = both.compare("orders", values=False)
    assert _counts(private) == _counts(found)
    assert all(each.then is None and each.now is None for each in private.differences)


KEYS = {
    "composite": ("shop int, number text, PRIMARY KEY (shop, number)", "g % 3, 'n' || g"),
    "text in an order of its own":
        ("name text PRIMARY KEY", "(ARRAY['a','B','ä','Z','é','_','~'])[1+g%7] || g"),
    "uuid": ("id uuid PRIMARY KEY", "md5(g::text)::uuid"),
    "time": ("at timestamptz PRIMARY KEY", "timestamptz '2026-01-01' + g * interval '7 minutes'"),
    "negative numbers": ("id bigint PRIMARY KEY", "g - 50"),
    "numeric": ("id numeric PRIMARY KEY", "(g - 50) / 3.0"),
    "unique, never null": ("code varchar(20) NOT NULL UNIQUE", "'c' || g"),
    "a domain": ("id handle PRIMARY KEY", "'h' || g"),
    "an enum with it":
        ("kind mood, id smallint, PRIMARY KEY (kind, id)", "(ARRAY['sad','ok'])[1+g%2]::mood, g"),
    "blank padded": ("code char(8) PRIMARY KEY", "'c' || g"),
    "bytes": ("id bytea PRIMARY KEY", "decode(lpad(to_hex(g), 4, '0'), 'hex')"),
    "a composite type beside": ("id int PRIMARY KEY, at point, tags text[], doc jsonb",
        "g, point(g, g), ARRAY['a\"', NULL, g::text], jsonb_build_object('k', g)"),
}  # fmt: skip


@pytest.mark.parametrize("postgres", ["postgres15"], indirect=True)
@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key(two: MakeTwo, kind: str) -> None:
    columns, values = KEYS[kind]
    both = two(
        "CREATE TYPE mood AS ENUM ('ok', 'sad')",
        "CREATE DOMAIN handle AS text NOT NULL CHECK (value <> '')",
        f"CREATE TABLE things ({columns}, amount double precision)",
        f"INSERT INTO things SELECT {values}, g / 7.0 FROM generate_series(1, 90) AS g",
    )
    both.live.execute("DELETE FROM things WHERE amount < 30 / 7.0")
    both.live.execute("UPDATE things SET amount = 'NaN' WHERE amount > 80 / 7.0")
    before = rows(both.live, "things")

    (found,) = both.compare("things")
    assert _counts(found) == (51, 29, 10, 0)
    keys = tuple(each.key for each in found.differences if each.kind == "changed")[:2]
    some = both.rescue("rows", "things", restore_id="some", rows={table("things"): keys})
    assert some.tables[0].updated == 2
    both.undo("some")
    assert repr(rows(both.live, "things")) == repr(before)

    result = both.rescue("replace", "things")

    assert failed(result) == []
    assert rows(both.live, "things") == rows(both.then, "things")
    both.undo()
    assert repr(rows(both.live, "things")) == repr(before)  # NaN is not equal to itself


def test_a_table_without_a_key_is_a_multiset_of_rows(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE log (at date, line text)",
        "INSERT INTO log SELECT '2026-01-01', 'line ' || g % 4 FROM generate_series(1, 40) AS g",
        "INSERT INTO log VALUES (NULL, NULL)",
    )
    both.live.execute(
        "DELETE FROM log WHERE ctid IN (SELECT ctid FROM log WHERE line = 'line 1' LIMIT 4) OR line IS NULL"
    )
    both.live.execute("INSERT INTO log VALUES ('2026-02-02', 'new'), ('2026-02-02', 'new')")
    before = rows(both.live, "log")

    (found,) = both.compare("log")
    assert _counts(found) == (36, 5, 0, 2) and "no key" in found.notes[0]
    with pytest.raises(ForeseenError, match="cannot be told apart"):
        both.rescue("rows", "log", rows={table("log"): (("x", "1"),)})

    merge = both.rescue("merge", "log")
    assert merge.tables[0].inserted == 5 and failed(merge) == []
    assert Counter(rows(both.live, "log")) == Counter(rows(both.then, "log")) + Counter(
        row for row in before if row[1] == "new"
    )
    assert both.undo().tables[0].removed == 5
    assert rows(both.live, "log") == before

    both.rescue("replace", "log", restore_id="r2")
    assert rows(both.live, "log") == rows(both.then, "log")
    both.live.execute("DELETE FROM log WHERE line IS NULL")
    with pytest.raises(ForeseenError, match="changed or deleted since"):
        both.undo("r2")
    told = both.undo("r2", changed="leave").tables[0]
    assert (told.removed, told.returned, told.left) == (4, 2, 1)
    assert rows(both.live, "log") == before


def test_names_nobody_should_choose(two: MakeTwo) -> None:
    odd = 'Ord"ers; --\u00e4\u2603 %s {}'
    long = "T" * 63
    both = two()
    for connection in (both.live, both.then):
        for name in (odd, long):
            connection.execute(
                sql.SQL(
                    'CREATE TABLE {} ("Id" int PRIMARY KEY, "select" text, "a b%" text DEFAULT $$x$$, {} int)'
                ).format(sql.Identifier(name), sql.Identifier('q"{}'))
            )
            connection.execute(
                sql.SQL(
                    "INSERT INTO {} SELECT g, E'tab\\t\\\\N\\n%s', NULL, g FROM generate_series(1, 9) AS g"
                ).format(sql.Identifier(name))
            )
    for name in (odd, long):
        both.live.execute(sql.SQL('DELETE FROM {} WHERE "Id" > 4').format(sql.Identifier(name)))

    result = both.rescue("merge", odd, long)
    beside = both.rescue("beside", odd, long, restore_id="r2")

    assert [each.inserted for each in result.tables] == [5, 5]
    for name in (odd, long):
        assert rows(both.live, name) == rows(both.then, name)
    made = [each.beside.table for each in beside.tables if each.beside]
    assert made == [f"{odd}__restore_r2", "T" * (63 - len("__restore_r2")) + "__restore_r2"]
    assert rows(both.live, made[1]) == rows(both.then, long)
    both.undo("r2")
    both.undo()
    assert len(rows(both.live, odd)) == 4


def test_wrong_keys_are_refused_in_words(two: MakeTwo) -> None:
    both = two("CREATE TABLE orders (id int PRIMARY KEY)")
    with pytest.raises(ForeseenError) as refused:
        both.rescue("rows", "orders", rows={table("orders"): (("five",),)})
    assert refused.value.code == "input.rows" and "integer" in refused.value.message


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ([], [], []),
        ([1], [], [("missing", "1")]),
        ([], [1], [("extra", "1")]),
        ([1, 2, 3], [2, 4], [("missing", "1"), ("missing", "3"), ("extra", "4")]),
    ],
)
def test_merging_two_ordered_sides(then: list[int], now: list[int], expected: list[tuple[str, str]]) -> None:
    def side(numbers: list[int]) -> list:
        return [((number,), (str(number),), "same") for number in numbers]

    tally = Tally()
    found = [(each.kind, each.key[0]) for each in merged(side(then), side(now), tally)]
    assert found == expected
    assert (tally.source_rows, tally.target_rows) == (len(then), len(now))
