"""What would fail later is said before anything is changed; an owner without superuser rights is enough."""

from __future__ import annotations

from dataclasses import replace as changed

import psycopg
import pytest

from dataprotect.core.secrets import Secret
from dataprotect.engine import replace
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import ReplaceRequest
from tests.engine.postgresql.conftest import address_of
from tests.engine.postgresql.replacement.stage import Stage
from tests.servers.postgresql import PostgresServer


def found(request: ReplaceRequest) -> dict[str, Check]:
    return {check.name: check for check in replace.preflight(request)}


def failed(request: ReplaceRequest) -> set[str]:
    return {check.name for check in replace.preflight(request) if check.passed is False}


def test_everything_is_looked_at_and_nothing_is_changed(stage: Stage) -> None:
    stage.renew()
    before = stage.databases()
    checks = found(stage.request("tiny"))
    assert {
        "database name", "server answers", "server may be written to", "rights of the restore account",
        "active connections", "replication slots", "subscriptions", "prepared transactions",
        "names of the copies", "versions", "roles", "extensions", "tablespaces", "encoding and locale",
        "publications",
        "locks and objects", "owner, privileges and settings", "programs on this worker",
        "free space on the server", "free space in the spool",
    } == set(checks)  # fmt: skip
    assert all(check.passed for check in checks.values()), checks
    assert stage.databases() == before
    assert not stage.request("tiny").spool.exists() or not any(stage.request("tiny").spool.iterdir())


def test_before_there_is_a_clone_it_says_what_it_cannot_know(stage17: Stage) -> None:
    stage17.renew()
    checks = found(stage17.request("tiny", dsn=""))
    assert checks["clone answers"].passed is None
    assert "extensions" not in checks
    assert checks["rights of the restore account"].passed


def test_what_would_be_stranded_is_named(stage17: Stage) -> None:
    stage17.renew()
    with stage17.server.connect("tiny") as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('stranded', 'pgoutput')")
        connection.execute(
            "CREATE SUBSCRIPTION feed CONNECTION 'dbname=x' PUBLICATION y WITH (connect = false)"
        )
        connection.execute("ALTER DATABASE tiny CONNECTION LIMIT 7")
        try:
            request = stage17.request("tiny")
            assert failed(request) == {"replication slots", "subscriptions"}
            checks = found(request)
            assert "stranded" in checks["replication slots"].found
            assert "feed" in checks["subscriptions"].found
            assert "1 connected" in checks["active connections"].found
            assert "expected -1, found 7" in checks["owner, privileges and settings"].found
        finally:
            connection.execute("ALTER SUBSCRIPTION feed SET (slot_name = NONE)")
            connection.execute("DROP SUBSCRIPTION feed")
            connection.execute("SELECT pg_drop_replication_slot('stranded')")


def test_another_encoding_in_use_is_not_replaced(stage17: Stage) -> None:
    stage17.renew()
    with stage17.server.connect() as connection:
        connection.execute("DROP DATABASE tiny")
        connection.execute("CREATE DATABASE tiny TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    request = stage17.request("tiny")
    assert failed(request) == {"encoding and locale"}
    assert found(request)["encoding and locale"].found.startswith("LATIN1, C")


def test_names_that_are_taken_and_templates(stage17: Stage) -> None:
    stage17.renew()
    request = stage17.request("tiny")
    with stage17.server.connect() as connection:
        connection.execute(f"CREATE DATABASE {replace.names('tiny', request.restore_id).kept}")
    assert failed(request) == {"names of the copies"}
    stage17.renew()
    assert "database name" in failed(stage17.request("template1"))


def test_an_older_server_is_refused(stage17: Stage, postgres15: PostgresServer) -> None:
    """And its missing roles are named at once, not one after the other."""
    request = stage17.request(
        "shop", address=address_of(postgres15), binaries={17: stage17.server.bin, 15: postgres15.bin}
    )
    checks = found(request)
    assert checks["versions"].passed is False
    assert checks["database in use"].passed is None
    assert "shop_application, shop_owner, shop_reader" in checks["roles"].found


def test_a_newer_server_takes_it(stage15: Stage, postgres17: PostgresServer) -> None:
    """An upgrade on the way: definitions are compared by object only, rows as ever."""
    request = stage15.request(
        "tiny", address=address_of(postgres17), binaries={15: stage15.server.bin, 17: postgres17.bin}
    )
    origin = replace.origin(request)
    assert failed(request) == set()
    try:
        loaded = replace.load(request)
        checks = replace.validate(request)
        assert [check for check in checks if check.passed is False] == []
        replace.swap_in(request, changed(origin, staged_oid=loaded.oid))
        assert replace.health(request, loaded.row_counts).mismatch_percent == 0.0
    finally:
        with postgres17.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS tiny")


@pytest.fixture
def owner(stage17: Stage) -> str:
    """An account that owns the database and may make others, and nothing else."""
    stage17.renew()
    with stage17.server.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS restorer")
        connection.execute("CREATE ROLE restorer LOGIN PASSWORD 'restorer'")
        connection.execute("ALTER DATABASE tiny OWNER TO restorer")
    return "restorer"


def test_an_owner_who_is_no_superuser(stage17: Stage, owner: str) -> None:
    """What is lacking is said with the statement that grants it; with it, everything works."""
    address = address_of(stage17.server, user=owner, password=Secret(owner))
    request = stage17.request("tiny", address=address)
    with stage17.server.connect("tiny"):
        assert failed(request) == {
            "rights of the restore account", "ending sessions", "what only a superuser can load"
        }  # fmt: skip
    assert "ALTER ROLE restorer CREATEDB" in found(request)["rights of the restore account"].found
    with stage17.server.connect() as connection:
        connection.execute(f"ALTER ROLE {owner} CREATEDB")
        connection.execute(f"GRANT postgres TO {owner}")
    assert failed(request) == set()
    origin = replace.origin(request)
    loaded = replace.load(request)
    checks = replace.validate(request)
    assert [check for check in checks if check.passed is False] == []
    client: psycopg.Connection = psycopg.connect(
        host="127.0.0.1", port=stage17.server.port, user=owner, password=owner, dbname="tiny"
    )
    swapped = replace.swap_in(request, origin)
    assert swapped.terminated == 1 and client.execute
    assert replace.health(request, loaded.row_counts).healthy
    replace.swap_back(request, origin)
    assert replace.discard(request, origin, "undone") > 0
