"""A comparison that always passes is a defect: every check is made to fail here, and must name what
differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataprotect.engine import clones
from dataprotect.engine.command import unprivileged_account
from dataprotect.engine.databases.postgresql import binaries
from dataprotect.engine.databases.postgresql.comparison import CloneAccess, compare
from dataprotect.engine.databases.postgresql.fingerprint_model import Fingerprint
from dataprotect.engine.databases.postgresql.stored_log import StoredLog
from dataprotect.engine.model import Check, Clone
from tests.engine.postgresql import protected
from tests.engine.postgresql.conftest import INSTANCE
from tests.engine.postgresql.protected import Protected, inside


@pytest.fixture(scope="module", params=[15, 17])
def source(
    request: pytest.FixtureRequest, workdir: Path, postgres_binaries: Callable[[int], Path]
) -> Iterator[Protected]:
    yield from protected.protect(workdir / f"comparison{request.param}", postgres_binaries(request.param))


@pytest.fixture
def clone(source: Protected) -> Iterator[Clone]:
    made = source.bring_up()
    yield made
    clones.drop(source.clones, made.clone_id)


def compared(source: Protected, clone: Clone, amcheck: bool = False) -> dict[str, Check]:
    reader = source.bench.repository.read(INSTANCE, source.backup_id)
    account = unprivileged_account()
    taken = Fingerprint.from_json(reader.attachments()["fingerprint"])
    log = StoredLog(
        binaries.find(source.server.major, source.binaries, account), account,
        clone.data_directory / "pg_wal", taken.timeline, reader.seal.facts["start_position"], taken.position,
    )  # fmt: skip
    return {check.name: check for check in compare(taken, CloneAccess(clone.dsn, log, amcheck))}


def test_an_untouched_clone_is_equal_in_everything(source: Protected, clone: Clone) -> None:
    checks = compared(source, clone, amcheck=True)
    assert [check for check in checks.values() if check.passed is False] == []
    for name in (
        "databases", "roles and globals", "schema of postgres", "row counts of postgres",
        "row digests of postgres",
        "large objects of postgres", "sequences of postgres", "sequences and columns of postgres",
        "write probe in postgres", "pg_amcheck of postgres", "write probe in Ödd name",
        "pg_amcheck of Ödd name",
    ):  # fmt: skip
        assert checks[name].passed is True, checks[name]
    assert checks["contents of broken"].passed is None
    assert "not compared: when the backup was taken it was skipped" in checks["contents of broken"].found
    counts = checks["row counts of postgres"]
    # 2000 + 4000 + 500 + 1000 + 2 + 2000 (view) + 3 * 3 large-object pages + 100,011 of pgbench
    assert "109,522 rows" in counts.found
    assert "shop.basket (it is unlogged" in counts.found


TAMPERED = """
DELETE FROM shop.orders WHERE id = 4000;
UPDATE shop.customer SET name = 'changed' WHERE id = 1;
UPDATE shop.part_2 SET id = id + 100000 WHERE id = (SELECT min(id) FROM shop.part_2);
UPDATE shop."Odd ""name" SET "b c" = 3 WHERE a = 'y';
INSERT INTO shop.far VALUES (-1, 'new');
DROP INDEX shop.orders_at;
CREATE OR REPLACE FUNCTION shop.tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 1.07';
ALTER TABLE shop.orders DISABLE TRIGGER touch;
DROP POLICY everybody ON shop.customer;
ALTER TABLE shop.customer ALTER COLUMN name DROP NOT NULL;
REVOKE INSERT ON shop.orders FROM clerk;
DROP EXTENSION pg_stat_statements;
ALTER VIEW shop.open_orders RENAME TO renamed;
SELECT setval('shop.orders_id_seq', 10);
SELECT setval('shop.invoice', 100000);
SELECT lo_unlink((SELECT min(oid) FROM pg_largeobject_metadata));
DROP ROLE idle;
ALTER ROLE anna PASSWORD 'other';
REVOKE clerk FROM anna;
CREATE DATABASE intruder;
"""
EXPECTED = {
    "databases": ["intruder was not in the source"],
    "roles and globals": [
        "roles idle is missing", "passwords anna is different", "memberships anna in clerk",
        "databases intruder is new",
    ],
    "schema of postgres": [
        "indexes shop.orders_at is missing", "functions shop.tax(numeric) is different",
        "triggers shop.orders.touch is different", "policies shop.customer.everybody is missing",
        "columns shop.customer.name is different", "relations shop.orders is different",
        "extensions pg_stat_statements is missing", "views shop.open_orders is missing",
    ],
    "row counts of postgres": [
        "shop.orders has 3999 rows, expected 4000", "shop.far has 1001 rows, expected 1000",
    ],
    "row digests of postgres": [
        "shop.customer: the digest of all 2000 rows is different", "shop.customer (1) is different",
        "shop.part_2: the digest", 'shop.Odd "name: the digest of all 2 rows is different',
        "shop.orders (4000) is missing",
    ],
    "large objects of postgres": ["2"],
    "sequences of postgres": ["shop.orders_id_seq is at 10", "shop.invoice is at 100000"],
    "sequences and columns of postgres": ["shop.orders_id_seq at 10 is behind shop.orders.id"],
}  # fmt: skip


def test_every_tampering_fails_its_check_by_name(
    source: Protected, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataprotect.engine.databases.postgresql import comparison_schema

    monkeypatch.setattr(comparison_schema, "SHOWN", 200)
    with inside(clone) as connection:
        for statement in TAMPERED.strip().splitlines():
            connection.execute(statement.encode())
    checks = compared(source, clone)
    for name, texts in EXPECTED.items():
        assert checks[name].passed is False, checks[name]
        for text in texts:
            assert text in checks[name].found, (name, text, checks[name].found)
    assert checks["write probe in postgres"].passed is True
    assert "same checksum" in checks["schema of second"].found


def test_a_damaged_index_page_is_found_by_the_servers_own_check(source: Protected, clone: Clone) -> None:
    with inside(clone) as connection:
        row = connection.execute("SELECT pg_relation_filepath('shop.orders_total')").fetchone()
    assert row is not None
    with (clone.data_directory / row[0]).open("r+b") as file:
        file.seek(8192 + 4000)
        file.write(b"\xa5" * 3000)
    check = compared(source, clone, amcheck=True)["pg_amcheck of postgres"]
    assert check.passed is False
    assert "orders_total" in check.found


def test_a_clone_that_cannot_be_written_to_fails_the_probe(source: Protected, clone: Clone) -> None:
    with inside(clone) as connection:
        connection.execute("CREATE SCHEMA dataprotect_write_probe")
    check = compared(source, clone)["write probe in postgres"]
    assert check.passed is False
    assert "already exists" in check.found


def test_a_missing_database_and_a_missing_table_fail(source: Protected, clone: Clone) -> None:
    with inside(clone) as connection:
        connection.execute("ALTER DATABASE second RENAME TO third")
        connection.execute("DROP TABLE shop.far")
    checks = compared(source, clone)
    assert "second is missing" in checks["databases"].found
    assert checks["connection to second"].passed is False
    assert "shop.far is missing, expected 1000 rows" in checks["row counts of postgres"].found


def test_no_amcheck_is_said_not_passed(source: Protected, clone: Clone) -> None:
    check = compared(source, clone, amcheck=False)["pg_amcheck of postgres"]
    assert check.passed is None
    assert "switched off" in check.found
