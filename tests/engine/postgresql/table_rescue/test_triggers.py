"""Triggers fire or sleep as asked, it is said how, and afterwards they are as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataprotect.core.errors import ForeseenError
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, Two, failed, rows

AUDITED = (
    "CREATE TABLE t (id int PRIMARY KEY, n int)",
    "CREATE TABLE seen (what text, id int)",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN INSERT INTO seen VALUES (TG_OP, coalesce(NEW.id, OLD.id)); RETURN NULL; END'",
    "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note()",
    "INSERT INTO t SELECT g, g FROM generate_series(1, 6) AS g",
)


def _states(both: Two) -> list[tuple[str, str]]:
    query = "SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    return both.live.execute(query).fetchall()


def _change(both: Two) -> None:
    both.live.execute("DELETE FROM t WHERE id <= 2")
    both.live.execute("UPDATE t SET n = 0 WHERE id = 3")
    both.live.execute("INSERT INTO t VALUES (9, 9)")
    both.live.execute("TRUNCATE seen")


def test_triggers_sleep_without_a_lock_where_the_right_is_there(two: MakeTwo) -> None:
    both = two(*AUDITED)
    _change(both)

    result = both.rescue("merge", "t")

    assert "replica mode" in result.notes[0] and failed(result) == []
    assert rows(both.live, "seen") == [] and _states(both) == [("note", "O")]
    both.live.execute("INSERT INTO t VALUES (10, 10)")
    assert rows(both.live, "seen") == [("INSERT", 10)]


def test_triggers_fire_where_that_is_asked_for(two: MakeTwo) -> None:
    both = two(*AUDITED)
    _change(both)
    before = rows(both.live, "t")

    result = both.rescue("replace", "t", triggers="fire")

    assert result.notes[0] == "Triggers fired for every row written: note."
    assert rows(both.live, "seen") == [("DELETE", 9), ("INSERT", 1), ("INSERT", 2), ("UPDATE", 3)]
    both.undo(triggers="fire")
    assert rows(both.live, "t") == before and len(rows(both.live, "seen")) == 8


def test_a_trigger_that_always_fires_is_disabled_and_enabled_again(two: MakeTwo) -> None:
    both = two(
        *AUDITED,
        "CREATE TRIGGER second AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
        "CREATE TRIGGER third AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER note",
        "ALTER TABLE t DISABLE TRIGGER second",
        "ALTER TABLE t ENABLE REPLICA TRIGGER third",
    )
    _change(both)
    states = _states(both)

    result = both.rescue("merge", "t")

    assert "disabled inside the transaction" in result.notes[0]
    assert rows(both.live, "seen") == [] and _states(both) == states
    assert [row[0] for row in states] == ["note", "second", "third"]


def test_a_trigger_that_changes_rows_is_told_and_its_rows_can_be_undone(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, stamp text)",
        "INSERT INTO t SELECT g, 'then' FROM generate_series(1, 5) AS g",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.stamp := $$now$$; RETURN NEW; END'",
        "CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp()",
    )
    both.live.execute("DELETE FROM t WHERE id < 4")
    before = rows(both.live, "t")

    result = both.rescue("merge", "t", triggers="fire")

    content = next(check for check in result.checks if check.name.startswith("content"))
    assert content.passed is None and content.found.startswith("3 differ")
    assert both.undo().tables[0].removed == 3
    assert rows(both.live, "t") == before


def test_a_trigger_that_refuses_rows_makes_the_rescue_refuse(two: MakeTwo) -> None:
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "INSERT INTO t SELECT g, g FROM generate_series(1, 5) AS g",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER keep BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    both.live.execute("ALTER TABLE t DISABLE TRIGGER keep")
    both.live.execute("UPDATE t SET n = 0")
    both.live.execute("ALTER TABLE t ENABLE TRIGGER keep")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("replace", "t", triggers="fire")

    assert refused.value.code == "table_rescue.not_verified" and "0 updated" in refused.value.message
    assert failed(both.rescue("replace", "t")) == []
    assert rows(both.live, "t") == rows(both.then, "t")


def test_a_trigger_made_meanwhile_is_found_by_what_it_did(
    two: MakeTwo, on_step: Callable[[str, Callable[[], None]], None]
) -> None:
    """It was not there when it was decided how triggers are handled; the rows written show it."""
    both = two(
        "CREATE TABLE t (id int PRIMARY KEY, stamp text)",
        "INSERT INTO t SELECT g, 'then' FROM generate_series(1, 5) AS g",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.stamp := $$now$$; RETURN NEW; END'",
    )
    both.live.execute("DELETE FROM t WHERE id < 4")
    create = "CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp()"
    on_step("table_rescue.staged", lambda: both.live.execute(create) and None)

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t")

    assert refused.value.code == "table_rescue.not_verified" and "found 3 differ" in refused.value.message
    assert len(rows(both.live, "t")) == 2


def test_an_owner_without_rights_on_the_server_uses_alter_table(two: MakeTwo) -> None:
    both = two(*AUDITED)
    _change(both)
    owner, stranger = both.role(), both.role()
    for name in ("t", "seen"):
        both.live.execute(f"ALTER TABLE {name} OWNER TO {owner}")
    database = f"{both.name}_live"
    both.live.execute(f"GRANT ALL ON DATABASE {database} TO {owner}, {stranger}")
    both.live.execute(f"GRANT ALL ON t, seen TO {stranger}")

    (facts,) = both.inspect("t", user=stranger)
    trigger = next(check for check in facts.checks if check.name == "triggers")
    assert trigger.passed is False and "cannot be kept from firing" in trigger.found
    assert both.inspect("t", user=stranger, triggers="fire")[0].possible

    result = both.rescue("merge", "t", user=owner)

    assert "disabled inside the transaction" in result.notes[0] and failed(result) == []
    assert rows(both.live, "seen") == []
    both.live.execute(f"GRANT SET ON PARAMETER session_replication_role TO {owner}")
    assert "replica mode" in both.rescue("merge", "t", user=owner, restore_id="r2").notes[0]
