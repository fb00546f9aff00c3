"""Partitioned tables, inheritance, large objects, deferrable uniqueness."""

from __future__ import annotations

import pytest

from dataprotect.core.errors import ForeseenError
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, failed, rows

PARTED = (
    "CREATE TABLE t (id int, at date, n int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
    "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
    "CREATE TABLE t_2 (n int, at date NOT NULL, id int NOT NULL)",
    "ALTER TABLE t ATTACH PARTITION t_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
    "INSERT INTO t SELECT g, date '2026-01-01' + g, g FROM generate_series(1, 50) AS g",
)


@pytest.mark.parametrize("key", [True, False])
def test_partitioned_tables_through_their_root(two: MakeTwo, key: bool) -> None:
    both = two(*PARTED, *([] if key else ["ALTER TABLE t DROP CONSTRAINT t_pkey"]))
    both.live.execute("DELETE FROM t WHERE id % 2 = 0")
    both.live.execute("UPDATE t SET n = -1 WHERE id > 40")
    both.live.execute("INSERT INTO t VALUES (60, '2026-02-03', 60)")
    before = rows(both.live, "t")

    result = both.rescue("replace", "t")

    assert failed(result) == [] and result.tables[0].inserted >= 25
    for name in ("t", "t_1", "t_2"):
        assert rows(both.live, name) == rows(both.then, name)
    both.undo()
    assert rows(both.live, "t") == before


def test_one_partition_alone(two: MakeTwo) -> None:
    both = two(*PARTED)
    both.live.execute("DELETE FROM t")
    assert failed(both.rescue("merge", "t_2")) == []
    assert rows(both.live, "t_2") == rows(both.then, "t_2") and len(rows(both.live, "t_2")) == 20
    assert rows(both.live, "t_1") == []


def test_a_partition_that_is_gone_is_said(two: MakeTwo) -> None:
    both = two(*PARTED)
    both.live.execute("DROP TABLE t_1")
    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t")
    assert 'no partition of relation "t"' in refused.value.message
    both.rescue("beside", "t")
    assert rows(both.live, "t__restore_r1") == rows(both.then, "t")


def test_tables_that_inherit_are_tables_of_their_own(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE child () INHERITS (t)",
        "INSERT INTO t VALUES (1), (2)",
        "INSERT INTO child VALUES (1), (7)",
    )
    both.live.execute("DELETE FROM ONLY t")
    both.live.execute("INSERT INTO child VALUES (8)")
    (facts,) = both.inspect("t")
    assert any(check.name == "inheritance" for check in facts.checks)
    assert failed(both.rescue("replace", "t")) == []
    assert rows(both.live, "t") == [(1,), (1,), (2,), (7,), (8,)]


def test_large_objects_come_back_under_their_numbers(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE files (id int PRIMARY KEY, body oid, plain oid)",
        "SELECT lo_from_bytea(9000001, convert_to(repeat('abc', 1000000), 'UTF8'))",
        "SELECT lo_from_bytea(9000002, '\\x00ff')",
        "SELECT lo_from_bytea(9000003, '')",
        "GRANT SELECT ON LARGE OBJECT 9000002 TO pg_monitor",
        "INSERT INTO files SELECT g, 9000000 + g, 42 FROM generate_series(1, 3) AS g",
    )
    both.live.execute("SELECT lo_unlink(9000001), lo_unlink(9000002)")
    both.live.execute("DELETE FROM files WHERE id <> 3")
    assert both.inspect("files")[0].large_object_columns == ("body",)

    result = both.rescue("merge", "files")

    assert result.tables[0].large_objects == 2 and failed(result) == []
    query = """SELECT oid, md5(lo_get(oid)), lomacl::text FROM pg_largeobject_metadata
        WHERE oid > 9000000 ORDER BY oid"""
    assert both.live.execute(query).fetchall() == both.then.execute(query).fetchall()

    both.live.execute("SELECT lo_put(9000002, 0, 'x')")
    undone = both.undo()
    assert (undone.tables[0].large_objects, undone.tables[0].removed, undone.tables[0].left) == (1, 2, 1)
    assert [row[0] for row in both.live.execute(query)] == [9000002, 9000003]

    both.live.execute("SELECT lo_unlink(9000003)")
    assert both.rescue("beside", "files", restore_id="r2").tables[0].large_objects == 2
    assert both.undo("r2").tables[0].large_objects == 2


def test_uniqueness_that_is_checked_later(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, place int UNIQUE DEFERRABLE)",
        "INSERT INTO t SELECT g, g FROM generate_series(1, 10) AS g",
    )
    both.live.execute("DELETE FROM t WHERE id > 5")
    assert failed(both.rescue("merge", "t")) == []
    assert rows(both.live, "t") == rows(both.then, "t")
    both.live.execute("UPDATE t SET place = 11 - place")  # every row takes another's place
    assert failed(both.rescue("replace", "t", restore_id="r2")) == []
    assert rows(both.live, "t") == rows(both.then, "t")
    both.live.execute("DELETE FROM t WHERE id = 1")
    both.live.execute("INSERT INTO t VALUES (11, 1)")
    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t", restore_id="r3")
    assert refused.value.code == "table_rescue.conflicts"
