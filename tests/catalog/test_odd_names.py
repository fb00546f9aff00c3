"""Names that exist on a server but may not be typed: backed up, restored and shown, never executed."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer

NAMES = ('we"ird; DROP DATABASE postgres; --', "Ünïcode db", "select", "$(touch /tmp/pwned)", "a'b\\c", "-rf")


def test_every_name_is_protected(
    installation: Installation, make_postgres: Callable[..., PostgresServer]
) -> None:
    server = make_postgres()
    with server.connect() as connection:
        for name in NAMES:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    for name in NAMES:
        with server.connect(name) as connection:
            table = sql.Identifier('t"; DROP TABLE x; --')
            connection.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, v text)").format(table))
            connection.execute(
                sql.SQL("INSERT INTO {} SELECT g, g::text FROM generate_series(1, 100) g").format(table)
            )
    installation.add_repository()
    installation.add_instance(server)
    probed = installation.answer("probe", "orders")
    seen = {database["name"]: database["safe_name"] for database in probed["databases"]}
    assert set(NAMES) <= set(seen)
    assert not any(seen[name] for name in NAMES)
    assert seen["postgres"] is True
    stored = installation.rows("[d.name for d in InstanceDatabase.objects.filter(safe_name=False)]")
    assert set(stored) == set(NAMES)
    for reader in ("local", "streamed"):
        installation.answer("change_instance", "orders", "--data-directory", str(server.data))
        taken = installation.answer("backup", "orders", "--reader", reader)
        proved = installation.answer("verify", taken["backup_id"], "--level", "restore")
        assert proved["passed"] is True
        compared = " ".join(check["name"] for check in proved["checks"])
        assert all(name in compared for name in NAMES), compared
    printed = installation.run("probe", "orders").out
    assert "Ünïcode" not in printed and "\\xdcn\\xefcode" in printed
    with server.connect() as connection:
        left = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert {name for (name,) in left} >= {*NAMES, "postgres"}
