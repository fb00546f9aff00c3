"""Row-level security, rights that lack, and the rights of a copy."""

from __future__ import annotations

import pytest

from dataprotect.core.errors import ForeseenError
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, failed, rows

SECURED = (
    "CREATE TABLE t (id int PRIMARY KEY, who text)",
    "INSERT INTO t SELECT g, 'a' FROM generate_series(1, 6) AS g",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON t USING (who = current_user)",
)


def test_a_user_that_does_not_see_every_row_is_refused(two: MakeTwo) -> None:
    both = two(*SECURED)
    both.live.execute("DELETE FROM t WHERE id < 4")
    blind, seeing = both.role(), both.role("BYPASSRLS")
    both.live.execute(f"GRANT ALL ON DATABASE {both.name}_live TO {blind}, {seeing}")
    both.live.execute(f"GRANT ALL ON t TO {blind}, {seeing}")

    with pytest.raises(ForeseenError) as refused:
        both.rescue("merge", "t", user=blind)
    assert "policies hide rows from this user" in refused.value.message

    result = both.rescue("merge", "t", user=seeing)

    assert result.tables[0].inserted == 3 and failed(result) == []
    assert rows(both.live, "t") == rows(both.then, "t")


def test_lacking_rights_are_all_named_before(two: MakeTwo) -> None:
    both = two("CREATE TABLE t (id int PRIMARY KEY)")
    poor = both.role()
    both.live.execute(f"REVOKE TEMPORARY ON DATABASE {both.name}_live FROM PUBLIC")
    both.live.execute(f"GRANT SELECT ON t TO {poor}")

    (facts,) = both.inspect("t", user=poor, mode="replace")

    found = {check.name: check.found for check in facts.checks if check.passed is False}
    assert found == {
        "rights in the database": "lacks CREATE, TEMPORARY",
        "rights on the table": "lacks INSERT, UPDATE, DELETE",
    }
    (facts,) = both.inspect("t", user=poor, mode="beside")
    assert {check.name for check in facts.checks if check.passed is False} == {
        "rights in the database", "rights in the schema",
    }  # fmt: skip


def test_a_copy_is_no_way_around_the_rights_of_the_table(two: MakeTwo) -> None:
    both = two(*SECURED)
    reader = both.role()
    both.live.execute(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader}, PUBLIC")

    both.rescue("beside", "t")

    query = """SELECT relrowsecurity, has_table_privilege(%s, oid, 'SELECT') FROM pg_class
        WHERE relname = 't__restore_r1'"""
    assert both.live.execute(query, [reader]).fetchone() == (True, False)


def test_a_server_that_does_not_write_is_refused(two: MakeTwo) -> None:
    both = two("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    both.live.execute(f"ALTER DATABASE {both.name}_live SET default_transaction_read_only = on")
    with pytest.raises(ForeseenError, match="server: read only"):
        both.rescue("merge", "t")
