"""Foreign keys hold after every rescue and every undo, or nothing is changed and it is said why."""

from __future__ import annotations

import pytest

from dataprotect.core.errors import ForeseenError
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, failed, rows

SHOP = (
    "CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE NOT NULL)",
    "CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers {deferrable})",
    "CREATE TABLE items (order_id int REFERENCES orders ON DELETE CASCADE, line int, "
    "PRIMARY KEY (order_id, line))",
    "INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 10) AS g",
    "INSERT INTO orders SELECT g, 1 + g % 10 FROM generate_series(1, 30) AS g",
    "INSERT INTO items SELECT g, 1 FROM generate_series(1, 30) AS g",
)


def _shop(deferrable: str = "") -> list[str]:
    return [statement.replace("{deferrable}", deferrable) for statement in SHOP]


@pytest.mark.parametrize("deferrable", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_tables_come_back_together_whatever_their_order(two: MakeTwo, deferrable: str) -> None:
    both = two(*_shop(deferrable))
    both.live.execute("DELETE FROM items WHERE order_id <= 12")
    both.live.execute("DELETE FROM orders WHERE id <= 12 OR customer <= 2")
    both.live.execute("DELETE FROM customers WHERE id <= 2")
    names = ("customers", "items", "orders")
    before = [rows(both.live, name) for name in names]

    result = both.rescue("merge", "items", "orders", "customers")

    assert failed(result) == []
    assert any(check.name.startswith("foreign key") and check.passed for check in result.checks)
    assert [rows(both.live, name) for name in names] == [rows(both.then, name) for name in names]
    both.undo()
    assert [rows(both.live, name) for name in names] == before


@pytest.mark.parametrize("deferrable", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_missing_parents_are_listed_before_anything_is_written(two: MakeTwo, deferrable: str) -> None:
    both = two(*_shop(deferrable))
    both.live.execute("TRUNCATE customers, orders, items")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "orders", "items")

    assert refused.value.code == "table_rescue.foreign_keys"
    assert "30 rows of public.orders would refer to rows that public.customers does not have" in (
        refused.value.message
    )
    assert rows(both.live, "orders") == [] and rows(both.live, "items") == []


def test_a_cascade_is_never_let_loose(two: MakeTwo) -> None:
    both = two(*_shop())
    both.live.execute("INSERT INTO orders VALUES (99, 1)")
    both.live.execute("INSERT INTO items VALUES (99, 1), (99, 2)")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("replace", "orders")

    assert "2 rows of public.items refer to rows of public.orders that would go" in refused.value.message
    assert both.live.execute("SELECT count(*) FROM items WHERE order_id = 99").fetchone() == (2,)

    assert failed(both.rescue("replace", "orders", "items")) == []
    assert rows(both.live, "items") == rows(both.then, "items")
    both.undo()
    assert both.live.execute("SELECT count(*) FROM items WHERE order_id = 99").fetchone() == (2,)


def test_an_undo_does_not_cascade_either(two: MakeTwo) -> None:
    both = two(*_shop())
    both.live.execute("DELETE FROM orders WHERE id = 5")
    both.rescue("merge", "orders")
    both.live.execute("INSERT INTO items VALUES (5, 77)")

    with pytest.raises(ForeseenError) as refused:
        both.undo()

    assert refused.value.code == "table_rescue.foreign_keys"
    assert both.live.execute("SELECT line FROM items WHERE order_id = 5").fetchall() == [(77,)]


def test_a_customer_who_came_again_under_another_number(two: MakeTwo) -> None:
    """The unique value passes from one row to another while orders move between both."""
    both = two(*_shop())
    both.live.execute("UPDATE customers SET email = 'gone' WHERE id = 3")
    both.live.execute("INSERT INTO customers VALUES (33, 'c3')")
    both.live.execute("UPDATE orders SET customer = 33 WHERE customer = 3")
    both.live.execute("DELETE FROM customers WHERE id = 3")
    before = rows(both.live, "customers"), rows(both.live, "orders")

    skipping = both.rescue("merge", "customers", restore_id="m")
    assert (skipping.tables[0].inserted, skipping.tables[0].skipped) == (0, 1)
    assert "(3) was left out: another row holds its place" in skipping.tables[0].skipped_rows[0]
    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "customers", conflicts="refuse")
    assert refused.value.code == "table_rescue.conflicts"
    assert (rows(both.live, "customers"), rows(both.live, "orders")) == before

    assert failed(both.rescue("replace", "customers", "orders")) == []

    assert rows(both.live, "customers") == rows(both.then, "customers")
    assert rows(both.live, "orders") == rows(both.then, "orders")
    both.undo()
    assert (rows(both.live, "customers"), rows(both.live, "orders")) == before


@pytest.mark.parametrize("trigger", [False, True])
def test_cycles_and_rows_that_refer_to_their_own_table(two: MakeTwo, trigger: bool) -> None:
    both = two(
        "CREATE TABLE staff (id int PRIMARY KEY, boss int REFERENCES staff, team int NOT NULL)",
        "CREATE TABLE teams (id int PRIMARY KEY, lead int NOT NULL REFERENCES staff)",
        "INSERT INTO staff SELECT g, nullif(g - 1, 0), 1 FROM generate_series(1, 20) AS g",
        "INSERT INTO teams VALUES (1, 20)",
        "ALTER TABLE staff ADD FOREIGN KEY (team) REFERENCES teams",
        *(_NOISY if trigger else ()),
    )
    both.live.execute("TRUNCATE staff, teams")

    result = both.rescue("merge", "staff", "teams")

    assert failed(result) == [] and ("replica" in " ".join(result.notes)) == trigger
    assert rows(both.live, "staff") == rows(both.then, "staff")
    assert rows(both.live, "teams") == [(1, 20)]
    both.undo()
    assert rows(both.live, "staff") == []


_NOISY = (
    "CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$fired$$; END'",
    "CREATE TRIGGER noisy AFTER INSERT OR DELETE ON staff FOR EACH ROW EXECUTE FUNCTION noisy()",
)


def test_in_replica_mode_a_missing_parent_is_still_found(two: MakeTwo) -> None:
    """The server itself does not look then; what it would have said is said by us."""
    both = two(
        "CREATE TABLE parents (id int PRIMARY KEY)",
        "CREATE TABLE staff (id int PRIMARY KEY, parent int REFERENCES parents)",
        "INSERT INTO parents VALUES (1)",
        "INSERT INTO staff VALUES (1, 1), (2, NULL)",
        *_NOISY,
    )
    both.live.execute("SET session_replication_role = replica")
    both.live.execute("DELETE FROM staff")
    both.live.execute("DELETE FROM parents")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "staff")

    assert refused.value.code == "table_rescue.foreign_keys"
    assert "1 rows of public.staff" in refused.value.message
    assert rows(both.live, "staff") == []


@pytest.mark.parametrize("trigger", [False, True])
def test_a_parent_left_out_takes_the_whole_back(two: MakeTwo, trigger: bool) -> None:
    """The customer's place is taken, so the orders have nobody to refer to: nothing is half done."""
    noisy = [statement.replace("ON staff", "ON orders") for statement in _NOISY] if trigger else []
    both = two(*_shop(), *noisy)
    both.live.execute("SET session_replication_role = replica")
    both.live.execute("DELETE FROM orders WHERE customer = 3")
    both.live.execute("DELETE FROM customers WHERE id = 3")
    both.live.execute("INSERT INTO customers VALUES (33, 'c3')")
    before = rows(both.live, "customers"), rows(both.live, "orders")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "customers", "orders")

    expected = "table_rescue.not_verified" if trigger else "table_rescue.foreign_keys"
    assert refused.value.code == expected and "orders_customer_fkey" in refused.value.message
    assert (rows(both.live, "customers"), rows(both.live, "orders")) == before


def test_keys_over_several_columns_and_partitions(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE shops (region text, id int, PRIMARY KEY (region, id)) PARTITION BY LIST (region)",
        "CREATE TABLE shops_a PARTITION OF shops FOR VALUES IN ('a')",
        "CREATE TABLE shops_b PARTITION OF shops FOR VALUES IN ('b')",
        "CREATE TABLE sales (id int PRIMARY KEY, region text, shop int, "
        "FOREIGN KEY (region, shop) REFERENCES shops)",
        "INSERT INTO shops SELECT r, g FROM generate_series(1, 5) AS g, (VALUES ('a'), ('b')) AS v (r)",
        "INSERT INTO sales SELECT g, 'b', 1 + g % 5 FROM generate_series(1, 20) AS g",
    )
    both.live.execute("DELETE FROM sales")
    both.live.execute("DELETE FROM shops WHERE region = 'b'")
    with pytest.raises(ForeseenError, match="b, 1; b, 2; b, 3"):
        both.rescue("merge", "sales")
    (facts,) = both.inspect("shops")
    assert [(key.table.table, key.columns) for key in facts.referred_by] == [("sales", ("region", "shop"))]

    assert failed(both.rescue("merge", "shops", "sales")) == []
    assert rows(both.live, "sales") == rows(both.then, "sales")
