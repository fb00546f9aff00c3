"""The four modes and the undo of each, on one small table."""

from __future__ import annotations

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import table_rescue
from dataprotect.engine.databases.postgresql.table_rescue import undo_record
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, failed, rows, table

ORDERS = (
    "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, buyer text NOT NULL, "
    "total numeric(10,2), doubled numeric GENERATED ALWAYS AS (total * 2) STORED)",
    "INSERT INTO orders (buyer, total) SELECT 'buyer ' || g, g * 1.5 FROM generate_series(1, 100) AS g",
)


def _live_on(both) -> None:
    """Rows 1 to 40 are gone, 41 to 45 changed, three are new."""
    both.live.execute("DELETE FROM orders WHERE id <= 40")
    both.live.execute("UPDATE orders SET total = 0 WHERE id BETWEEN 41 AND 45")
    both.live.execute("INSERT INTO orders (buyer, total) SELECT 'new', 7 FROM generate_series(1, 3)")


def test_merge_inserts_what_is_missing_and_touches_nothing_else(two: MakeTwo) -> None:
    both = two(*ORDERS)
    _live_on(both)
    before = rows(both.live, "orders")

    result = both.rescue("merge", "orders")

    assert (result.tables[0].inserted, result.tables[0].updated, result.tables[0].deleted) == (40, 0, 0)
    assert failed(result) == [] and len(result.checks) >= 4
    after = rows(both.live, "orders")
    assert set(before) <= set(after) and len(after) == 103
    assert [row for row in after if row[0] <= 40] == [
        row for row in rows(both.then, "orders") if row[0] <= 40
    ]

    undone = both.undo()

    assert undone.tables[0].removed == 40 and failed(undone) == []
    assert rows(both.live, "orders") == before


def test_chosen_rows_are_put_back_as_they_were(two: MakeTwo) -> None:
    both = two(*ORDERS)
    _live_on(both)
    before = rows(both.live, "orders")
    chosen = {table("orders"): (("5",), ("5",), ("41",), ("90",), ("101",), ("999",))}

    result = both.rescue("rows", "orders", rows=chosen)

    told = result.tables[0]
    assert (told.inserted, told.updated, told.deleted, told.skipped) == (1, 1, 0, 2)
    assert "did not exist at the instant" in told.skipped_rows[-1]
    then = {row[0]: row for row in rows(both.then, "orders")}
    now = {row[0]: row for row in rows(both.live, "orders")}
    assert now[5] == then[5] and now[41] == then[41] and now[42] != then[42]

    undone = both.undo()

    assert (undone.tables[0].removed, undone.tables[0].put_back) == (1, 1)
    assert rows(both.live, "orders") == before


def test_replace_makes_the_content_the_clones(two: MakeTwo) -> None:
    both = two(*ORDERS)
    _live_on(both)
    before = rows(both.live, "orders")

    result = both.rescue("replace", "orders")

    told = result.tables[0]
    assert (told.inserted, told.updated, told.deleted) == (40, 5, 3)
    assert rows(both.live, "orders") == rows(both.then, "orders")

    undone = both.undo()

    told = undone.tables[0]
    assert (told.removed, told.put_back, told.returned) == (40, 5, 3)
    assert rows(both.live, "orders") == before


def test_beside_leaves_the_live_table_alone(two: MakeTwo) -> None:
    both = two(*ORDERS)
    _live_on(both)
    before = rows(both.live, "orders")

    result = both.rescue("beside", "orders")

    assert result.tables[0].beside == table("orders__restore_r1")
    assert rows(both.live, "orders__restore_r1") == rows(both.then, "orders")
    assert rows(both.live, "orders") == before

    assert both.undo().tables[0].removed == 100
    assert both.live.execute("SELECT to_regclass('orders__restore_r1')").fetchone() == (None,)


def test_a_dropped_table_can_be_loaded_beside_and_nothing_else(two: MakeTwo) -> None:
    both = two(*ORDERS)
    both.live.execute("DROP TABLE orders")

    with pytest.raises(ForeseenError, match="nothing of this name"):
        both.rescue("merge", "orders")
    both.rescue("beside", "orders")

    assert rows(both.live, "orders__restore_r1") == rows(both.then, "orders")


def test_what_was_done_is_answered_again_and_can_be_asked_for(two: MakeTwo) -> None:
    both = two(*ORDERS)
    _live_on(both)
    target = both.target()
    assert table_rescue.standing(target, "r1").state == "none"
    with pytest.raises(ForeseenError) as unknown:
        both.undo()
    assert unknown.value.code == "table_rescue.unknown"

    first = both.rescue("merge", "orders")
    standing = table_rescue.standing(target, "r1")
    assert (standing.state, standing.rescued, standing.undone) == ("done", first, None)
    assert standing.undo_bytes > 0
    both.live.execute("DELETE FROM orders WHERE id = 1")
    assert both.rescue("merge", "orders") == first  # and nothing is done twice
    assert both.live.execute("SELECT count(*) FROM orders WHERE id = 1").fetchone() == (0,)

    undone = both.undo(changed="leave")
    assert both.undo() == undone
    assert table_rescue.standing(target, "r1").undone == undone
    with pytest.raises(ForeseenError) as again:
        both.rescue("merge", "orders")
    assert again.value.code == "table_rescue.undone"

    assert table_rescue.forget_undo(target, "r1") is True
    assert table_rescue.forget_undo(target, "r1") is False
    assert table_rescue.standing(target, "r1").state == "none"


def test_undo_refuses_or_leaves_rows_written_since(two: MakeTwo) -> None:
    both = two(*ORDERS)
    _live_on(both)
    both.rescue("replace", "orders")
    both.live.execute("UPDATE orders SET total = 99 WHERE id IN (1, 41)")
    both.live.execute("DELETE FROM orders WHERE id = 2")
    both.live.execute("INSERT INTO orders OVERRIDING SYSTEM VALUE VALUES (101, 'again', 1)")
    between = rows(both.live, "orders")

    with pytest.raises(ForeseenError) as refused:
        both.undo()

    assert refused.value.code == "table_rescue.changed_since"
    assert "public.orders: 4" in refused.value.message
    assert rows(both.live, "orders") == between

    undone = both.undo(changed="leave")

    told = undone.tables[0]
    assert (told.removed, told.put_back, told.returned, told.left) == (38, 4, 2, 4)
    assert set(told.left_rows) == {
        "(1) was changed since.", "(2) was deleted since.", "(41) was changed since.",
        "(101) was written anew since.",
    }  # fmt: skip
    now = {row[0]: row for row in rows(both.live, "orders")}
    assert now[1][2] == 99 and now[41][2] == 99 and now[101][1] == "again" and 2 not in now and 3 not in now


def test_an_undo_record_of_somebody_else_is_not_trusted(two: MakeTwo) -> None:
    both = two(*ORDERS)
    stranger = both.role()
    both.live.execute(f"CREATE SCHEMA {undo_record.schema('r1')} AUTHORIZATION {stranger}")

    with pytest.raises(ForeseenError) as refused:
        table_rescue.standing(both.target(), "r1")

    assert refused.value.code == "table_rescue.foreign_schema"


@pytest.mark.parametrize("restore_id", ["", "A", "a-b", "x" * 41, 'a"b'])
def test_ids_that_would_not_fit_a_schema_are_refused(restore_id: str) -> None:
    with pytest.raises(ForeseenError, match="small letters"):
        undo_record.check_restore_id(restore_id)
