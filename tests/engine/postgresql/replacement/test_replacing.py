"""The whole way on real servers: loaded beside, proved the same, swapped in, taken back, dropped."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest
from psycopg import sql

from dataprotect.core.progress import Silent
from dataprotect.engine import replace
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import SmokeTest
from tests.engine.postgresql.replacement.stage import ODD, Stage, called

PROPERTIES = (
    "ALTER DATABASE shop CONNECTION LIMIT 30",
    'ALTER DATABASE shop SET search_path = "$user", shop, \'a, "b\'',
    "ALTER DATABASE shop SET statement_timeout = '77s'",
    "ALTER DATABASE shop SET default_transaction_read_only = on",
    "ALTER ROLE shop_reader IN DATABASE shop SET work_mem = '7MB'",
    "ALTER ROLE shop_reader IN DATABASE shop SET pg_trgm.similarity_threshold = '0.4'",
    "REVOKE CONNECT ON DATABASE shop FROM PUBLIC",
    "GRANT CONNECT ON DATABASE shop TO shop_reader WITH GRANT OPTION",
    "COMMENT ON DATABASE shop IS 'The shop''s own'",
)
_CARRIED = """
SELECT pg_get_userbyid(datdba), datconnlimit, shobj_description(d.oid, 'pg_database'), datallowconn,
       (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a), datcollate, datlocprovider,
       (SELECT array_agg(r.setrole::regrole || s ORDER BY r.setrole::regrole || s)
          FROM pg_db_role_setting r, unnest(setconfig) s WHERE setdatabase = d.oid)
  FROM pg_database d WHERE datname = %s
"""


def carried(stage: Stage, name: str) -> tuple[object, ...]:
    with stage.server.connect() as connection:
        row = connection.execute(_CARRIED, (name,)).fetchone()
    assert row is not None
    return row


def failed(checks: tuple[Check, ...]) -> list[Check]:
    return [check for check in checks if check.passed is False]


class Listening(Silent):
    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self.phases.append((name, total_bytes))


SMOKE = (
    SmokeTest("sql", "orders", "SELECT count(*) FROM customer_order", expected="800"),
    SmokeTest("sql", "any view", "TABLE shop.open_orders"),
)


def test_the_shop_is_replaced_and_taken_back(stage: Stage) -> None:
    with stage.server.connect() as connection:
        for statement in PROPERTIES:
            connection.execute(statement)
    before = carried(stage, "shop")
    request = stage.request("shop", smoke_tests=SMOKE)
    origin = replace.origin(request)
    assert replace.standing(request, origin).place == "untouched"
    assert failed(replace.preflight(request)) == []
    with stage.server.connect("shop") as connection:
        connection.execute("SET default_transaction_read_only = off; SET lock_timeout = '5s'")
        connection.execute("DELETE FROM shop.order_line WHERE order_id > 100")

    reporter = Listening()
    loaded = replace.load(request, reporter)
    names = called(origin)
    assert [name for name, _ in reporter.phases] == ["dump", "restore", "analyze", "count"]
    assert dict(reporter.phases)["restore"]
    assert loaded.row_counts["shop.order_line"] == 2400
    assert loaded.row_counts["shop.payment_2026_09"] > 0
    assert loaded.messages == () and loaded.created_roles == ()
    assert not request.spool.joinpath(f"replace-{request.restore_id}").exists()
    origin = changed(origin, staged_oid=loaded.oid)
    assert replace.standing(request, origin).place == "staged"
    assert stage.count("shop", "shop.order_line") == 300, "loading touched the database in use"
    assert carried(stage, "shop") == before

    checks = replace.validate(request)
    assert failed(checks) == []
    looked_at = {check.name for check in checks if check.passed}
    assert {
        "row counts of shop", "row digests of shop", "large objects of shop, by content",
        "definitions in shop",
        "keys, indexes and triggers of shop", "sequences of shop", f"write probe in {names.staged}",
        "owner, privileges and settings of shop", "smoke test orders", "smoke test any view",
    } <= looked_at  # fmt: skip

    swapped = replace.swap_in(request, origin)
    assert failed(swapped.checks) == [] and swapped.lock_seconds < 60
    assert replace.standing(request, origin).place == "swapped"
    assert carried(stage, "shop") == before
    assert carried(stage, names.kept)[3] is False
    assert stage.count("shop", "shop.order_line") == 2400
    found = replace.health(request, loaded.row_counts)
    assert found.healthy and found.mismatch_percent == 0.0
    with stage.server.connect("shop") as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("INSERT INTO shop.customer_order (customer_id, ordered_at) VALUES (1, now())")
        row = connection.execute("SELECT max(id) FROM shop.customer_order").fetchone()
    assert row == (50001,), "the sequence stands where it stood, ahead of its data"

    back = replace.swap_back(request, origin)
    assert failed(back.checks) == []
    assert replace.standing(request, origin).place == "rolled back"
    assert carried(stage, "shop") == before
    assert stage.count("shop", "shop.order_line") == 300
    assert carried(stage, names.undone)[3] is False
    assert replace.discard(request, origin, "undone") > 1_000_000
    assert stage.beside() == set()


def test_an_odd_name_is_quoted_everywhere(stage: Stage) -> None:
    stage.renew(ODD)
    stage.damage(ODD)
    request = stage.request(ODD)
    origin = replace.origin(request)
    assert failed(replace.preflight(request)) == []
    loaded = replace.load(request)
    assert failed(replace.validate(request)) == []
    replace.swap_in(request, origin)
    assert stage.count(ODD) == 1000
    assert replace.health(request, loaded.row_counts).mismatch_percent == 0.0
    replace.swap_back(request, origin)
    assert stage.count(ODD) == 10
    replace.discard(request, origin, "undone")
    assert stage.beside() == set()


def test_a_database_that_was_dropped_comes_back(stage17: Stage) -> None:
    stage17.renew()
    with stage17.server.connect() as connection:
        connection.execute("DROP DATABASE tiny")
    request = stage17.request("tiny")
    origin = replace.origin(request)
    assert origin.oid is None
    assert failed(replace.preflight(request)) == []
    loaded = replace.load(request)
    origin = changed(origin, staged_oid=loaded.oid)
    assert failed(replace.validate(request)) == []
    swapped = replace.swap_in(request, origin)
    assert failed(swapped.checks) == []
    assert stage17.count() == 1000
    assert replace.standing(request, origin).can_swap_back
    with stage17.server.connect() as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'tiny'"
        ).fetchone()
    assert row == (None,), "the note of the load stayed"
    assert failed(replace.swap_back(request, origin).checks) == []
    assert replace.standing(request, origin).place == "rolled back"
    assert set(stage17.databases()) >= {called(origin).undone} and "tiny" not in stage17.databases()


DIFFERENCES = [
    ("DELETE FROM item WHERE id = 500", "row counts of tiny", "public.item has 999 rows"),
    ("UPDATE other SET item = 7 WHERE id = 50", "row digests of tiny", "public.other"),
    (
        "ALTER TABLE other DROP CONSTRAINT other_item_fkey",
        "definitions in tiny",
        "other_item_fkey is missing",
    ),
    ("CREATE INDEX more ON other (item)", "keys, indexes and triggers of tiny", "more is new"),
    ("GRANT SELECT ON item TO shop_reader", "definitions in tiny", "ACL public.TABLE item is new"),
    ("SELECT setval('item_id_seq', 3)", "sequences of tiny", "item_id_seq is at 3"),
    (
        "SELECT lo_put(oid, 0, 'x') FROM pg_largeobject_metadata",
        "large objects of tiny, by content",
        "1 differ",
    ),
    ("REVOKE CREATE ON DATABASE {} FROM postgres", "owner, privileges and settings of tiny", "privileges: "),
    ("COMMENT ON DATABASE {} IS 'x'", "staged database", "x"),
]


def test_every_difference_is_found_by_its_own_check(stage17: Stage) -> None:
    stage17.renew()
    request = stage17.request("tiny")
    replace.load(request)
    staged = replace.names("tiny", request.restore_id).staged
    assert failed(replace.validate(request)) == []
    for statement, check, word in DIFFERENCES:
        with stage17.server.connect(staged) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(staged)))
        found = {each.name: each.found for each in failed(replace.validate(request))}
        assert word in found[check], (statement, found)
    stage17.renew()


@pytest.mark.parametrize(
    ("statement", "expected", "passed"),
    [
        ("SELECT count(*) FROM item", "1000", True),
        ("SELECT count(*) FROM item", "999", False),
        ("SELECT NULL", "", False),
        ("DELETE FROM item", "", False),
        ("WITH gone AS (DELETE FROM item RETURNING 1) SELECT 1", "", False),
        ("SELECT 1; DROP TABLE item", "", False),
        ("SELECT pg_read_file('/etc/passwd')", "", False),
        ("SELECT pg_sleep(60)", "", False),
        ("COPY item TO PROGRAM 'touch /tmp/never'", "", False),
    ],
)
def test_smoke_tests_ask_and_change_nothing(
    stage17: Stage, statement: str, expected: str, passed: bool
) -> None:
    if stage17.count() != 1000:
        stage17.renew()
    question = SmokeTest("sql", "it", statement, expected=expected, timeout_seconds=2)
    found = replace.health(stage17.request("tiny", smoke_tests=(question,)))
    assert (found.checks[-1].passed, found.healthy) == (passed, passed), found.checks[-1].found
    assert stage17.count() == 1000
