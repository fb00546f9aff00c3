"""'DELETE without WHERE on orders in production', while the application goes on writing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.engine import table_rescue
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, Two, failed, rows

OnStep = Callable[[str, Callable[[], None]], None]
SHOP = (
    "CREATE TABLE customers (id int PRIMARY KEY, name text)",
    "CREATE TABLE orders (id bigserial PRIMARY KEY, customer int REFERENCES customers, state text)",
    "CREATE INDEX ON orders (customer)",
    "CREATE TABLE seen (id bigint)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NULL; END'",
    "CREATE TRIGGER note AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note()",
    "INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 50) AS g",
    "INSERT INTO orders (customer, state) SELECT 1 + g % 50, 'open' FROM generate_series(1, 2000) AS g",
)
HARMLESS = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
PATIENCE = 60.0
one_server = pytest.mark.parametrize("postgres", ["postgres17"], indirect=True)


class Application:
    """Inserts orders and changes its own, one transaction each, until it is told to stop."""

    def __init__(self, both: Two) -> None:
        self.written: dict[int, str] = {}
        self.failed: list[BaseException] = []
        self._both = both
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Application:
        self._thread.start()
        self.write_on(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def write_on(self, more: int) -> None:
        """Return once it has committed `more` transactions from now."""
        wanted, deadline = len(self.written) + more, time.monotonic() + PATIENCE
        while len(self.written) < wanted and not self.failed and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(self.written) >= wanted, self.failed

    def _run(self) -> None:
        try:
            with self._both.connect() as connection:
                while not self._stop.is_set():
                    query = "INSERT INTO orders (customer, state) VALUES (1, 'new') RETURNING id"
                    row = connection.execute(query).fetchone()
                    assert row is not None
                    connection.execute("UPDATE orders SET state = 'paid' WHERE id = %s", row)
                    self.written[row[0]] = "paid"
        except (psycopg.Error, AssertionError) as error:
            self.failed.append(error)


def test_the_orders_come_back_and_nothing_written_since_is_lost(two: MakeTwo, on_step: OnStep) -> None:
    both = two(*SHOP)
    both.live.execute("DELETE FROM orders")
    both.live.execute("TRUNCATE seen")
    locks: set[str] = set()

    def just_before_the_commit() -> None:
        application.write_on(5)
        query = """SELECT mode FROM pg_locks WHERE relation IN ('orders'::regclass, 'customers'::regclass)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
        locks.update(row[0] for row in both.live.execute(query))

    on_step("table_rescue.before_commit", just_before_the_commit)
    with Application(both) as application:
        (compared,) = both.compare("orders")
        result = both.rescue("merge", "orders")
        application.write_on(5)

    assert application.failed == [] and failed(result) == []
    assert compared.missing == 2000 and compared.extra >= 5
    assert result.tables[0].inserted == 2000 and locks <= HARMLESS and locks
    now = dict(both.live.execute("SELECT id, state FROM orders").fetchall())
    assert {key: state for key, state in now.items() if key > 2000} == application.written
    assert len(now) == 2000 + len(application.written)
    assert len(rows(both.live, "seen")) == len(application.written)  # the old orders were not announced again

    undone = both.undo()

    assert undone.tables[0].removed == 2000
    assert dict(both.live.execute("SELECT id, state FROM orders").fetchall()) == application.written


def test_a_row_written_anew_meanwhile_stays(two: MakeTwo, on_step: OnStep) -> None:
    both = two(*SHOP)
    both.live.execute("DELETE FROM orders WHERE id <= 10")
    on_step("table_rescue.staged", lambda: both.live.execute("INSERT INTO orders VALUES (7, 1, 'by hand')"))

    result = both.rescue("merge", "orders")

    told = result.tables[0]
    assert (told.inserted, told.skipped) == (9, 1)
    assert told.skipped_rows == ("(7) was written anew meanwhile and left as it is.",)
    assert both.live.execute("SELECT state FROM orders WHERE id = 7").fetchone() == ("by hand",)
    assert both.undo().tables[0].removed == 9
    assert both.live.execute("SELECT state FROM orders WHERE id = 7").fetchone() == ("by hand",)


def test_rows_changed_between_comparison_and_writing_are_kept_as_they_were(
    two: MakeTwo, on_step: OnStep
) -> None:
    both = two(*SHOP)
    both.live.execute("UPDATE orders SET state = 'wrong' WHERE id <= 3")

    def meanwhile() -> None:
        both.live.execute("UPDATE orders SET state = 'wrong again' WHERE id = 1")
        both.live.execute("DELETE FROM orders WHERE id = 2")

    on_step("table_rescue.staged", meanwhile)
    chosen = dict.fromkeys(both.request("rows", "orders").tables, (("1",), ("2",), ("3",)))
    result = both.rescue("rows", "orders", rows=chosen)

    assert (result.tables[0].inserted, result.tables[0].updated) == (1, 2) and failed(result) == []
    query = "SELECT id, state FROM orders WHERE id <= 3 ORDER BY id"
    assert both.live.execute(query).fetchall() == [(1, "open"), (2, "open"), (3, "open")]
    both.undo()
    assert both.live.execute(query).fetchall() == [(1, "wrong again"), (3, "wrong")]


def _refused_in_time(both: Two, statement: str) -> str:
    """Another session's write, and how it ended: the rows are held."""
    with both.connect() as other:
        other.execute("SET lock_timeout = '100ms'")
        try:
            other.execute(statement)
        except psycopg.errors.LockNotAvailable:
            return "held"
        return "written"


def test_rows_about_to_be_overwritten_are_held_until_the_end(two: MakeTwo, on_step: OnStep) -> None:
    both = two(*SHOP)
    both.live.execute("UPDATE orders SET state = 'wrong' WHERE id = 1")
    met: list[str] = []
    change = "UPDATE orders SET state = 'other' WHERE id = 1"
    chosen = dict.fromkeys(both.request("rows", "orders").tables, (("1",),))

    on_step("table_rescue.kept", lambda: met.append(_refused_in_time(both, change)))
    both.rescue("rows", "orders", rows=chosen)
    on_step("table_rescue.undo.staged", lambda: met.append(_refused_in_time(both, change)))
    both.undo()

    assert met == ["held", "held"]
    assert both.live.execute("SELECT state FROM orders WHERE id = 1").fetchone() == ("wrong",)


def test_in_replica_mode_the_rows_referred_to_are_held(two: MakeTwo, on_step: OnStep) -> None:
    """The server's own check would do so; without it a customer could go before we commit."""
    both = two(*SHOP)
    both.live.execute("DELETE FROM orders")
    met: list[str] = []
    delete = "DELETE FROM customers WHERE id = 7"
    on_step("table_rescue.before_commit", lambda: met.append(_refused_in_time(both, delete)))

    result = both.rescue("merge", "orders")

    assert "replica mode" in result.notes[0] and met == ["held"]


def test_replace_holds_writers_off_and_lets_readers_through(two: MakeTwo, on_step: OnStep) -> None:
    both = two(*SHOP)
    both.live.execute("UPDATE orders SET state = 'wrong'")
    met: list[str] = []

    def meanwhile() -> None:
        both.live.execute("SET lock_timeout = '100ms'")
        met.append(str(both.live.execute("SELECT count(*) FROM orders").fetchone()))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            both.live.execute("INSERT INTO orders (customer) VALUES (1)")

    on_step("table_rescue.staged", meanwhile)
    assert failed(both.rescue("replace", "orders")) == []
    assert met == ["(2000,)"] and rows(both.live, "orders") == rows(both.then, "orders")


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_a_lock_that_is_not_had_in_time_changes_nothing(two: MakeTwo, mode: str) -> None:
    both = two(*SHOP)
    both.live.execute("DELETE FROM orders WHERE id <= 10")
    before = rows(both.live, "orders")
    with both.connect() as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO orders VALUES (5, 1, 'not yet committed')")
        with pytest.raises(ForeseenError) as busy:
            both.rescue(mode, "orders", lock_seconds=0.3)  # type: ignore[arg-type]
        assert (busy.value.code, busy.value.retry) == ("table_rescue.busy", True)
        other.execute("ROLLBACK")
    assert rows(both.live, "orders") == before
    assert table_rescue.standing(both.target(), "r1").state == "none"
    assert both.rescue(mode, "orders").tables[0].inserted == 10  # type: ignore[arg-type]


def test_only_one_session_works_on_a_rescue(two: MakeTwo, on_step: OnStep) -> None:
    both = two(*SHOP)
    both.live.execute("DELETE FROM orders")
    met: list[str] = []

    def meanwhile() -> None:
        met.append(table_rescue.standing(both.target(), "r1").state)
        for again in (lambda: both.rescue("merge", "orders"), both.undo):
            with pytest.raises(ForeseenError) as busy:
                again()
            met.append(busy.value.code)

    on_step("table_rescue.before_commit", meanwhile)
    both.rescue("merge", "orders")
    assert met == ["running", "table_rescue.busy", "table_rescue.busy"]


class Stopping(Silent):
    """Asks for an end from the n-th safe point on."""

    def __init__(self, after: int, error: Exception) -> None:
        self.after, self.error, self.seen = after, error, 0

    def checkpoint(self) -> None:
        self.seen += 1
        if self.seen > self.after:
            raise self.error


@one_server
def test_it_ends_at_every_safe_point_without_a_trace(two: MakeTwo) -> None:
    both = two(*SHOP)
    both.live.execute("DELETE FROM orders WHERE id > 10")
    before = rows(both.live, "orders")
    for after in range(100):
        try:
            both.rescue("merge", "orders", reporter=Stopping(after, Cancelled()))
        except Cancelled:
            assert rows(both.live, "orders") == before
            assert table_rescue.standing(both.target(), "r1").state == "none"
        else:
            break
    assert 4 <= after < 99
    with pytest.raises(EmergencyStop):
        both.undo(reporter=Stopping(1, EmergencyStop("stopped")))
    assert table_rescue.standing(both.target(), "r1").state == "done"


@one_server
def test_a_long_statement_ends_when_it_is_asked_to(two: MakeTwo, on_step: OnStep) -> None:
    """The server sleeps in a trigger; nobody reaches a safe point, and still it ends."""
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'",
    )
    both.live.execute("DELETE FROM t")
    both.live.execute("CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()")
    asked = threading.Event()
    on_step("table_rescue.kept", asked.set)

    class Patient(Silent):
        def checkpoint(self) -> None:
            if asked.is_set():
                raise Cancelled()

    with pytest.raises(Cancelled):
        both.rescue("merge", "t", triggers="fire", reporter=Patient())
    assert rows(both.live, "t") == []
