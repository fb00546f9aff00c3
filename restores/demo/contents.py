"""What the throwaway server holds: pgbench's tables, the shop, a warehouse, and a name that needs quoting."""

from __future__ import annotations

import secrets
from pathlib import Path

from psycopg import sql

from dataprotect.core.secrets import Secret
from dataprotect.engine import command
from restores.demo.server import SUPERUSER, DemoServer

BACKUP_USER = "dataprotect"
PGBENCH_SCALE = 10

# What a backup needs, and nothing else: no superuser. The README gives the same statements.
BACKUP_USER_RIGHTS = (
    "ALTER ROLE {user} LOGIN REPLICATION BYPASSRLS",
    "GRANT pg_read_all_data, pg_read_all_settings, pg_checkpoint, pg_monitor TO {user}",
    "GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO {user}",
    "GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO {user}",
)


def fill(server: DemoServer) -> None:
    """Everything that breaks restores, in a running, empty cluster."""
    _roles_and_tablespace(server)
    for database in ("bench", "shop", "warehouse", "reports-2026"):
        with server.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    _pgbench(server)
    with server.connect("shop") as connection:
        connection.execute(Path(__file__).with_name("shop.sql").read_text())
    with server.connect("warehouse") as connection:
        connection.execute(WAREHOUSE)
    with server.connect("reports-2026") as connection:
        connection.execute("CREATE TABLE report AS SELECT n, now() AS made_at FROM generate_series(1, 100) n")


def give_backup_user(server: DemoServer) -> Secret:
    """The backup user with its rights and a new password, on every run."""
    password = Secret(secrets.token_urlsafe(24))
    user = sql.Identifier(BACKUP_USER)
    with server.connect() as connection:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [BACKUP_USER]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE ROLE {user}").format(user=user))
        for statement in BACKUP_USER_RIGHTS:
            connection.execute(sql.SQL(statement).format(user=user))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(user, sql.Literal(password.reveal())))
    return password


def count_contents(server: DemoServer) -> tuple[int, int]:
    """Databases, and their size in bytes together."""
    with server.connect() as connection:
        row = connection.execute(
            "SELECT count(*), sum(pg_database_size(oid))::bigint FROM pg_database WHERE datallowconn"
        ).fetchone()
    assert row is not None  # noqa: S101
    return int(str(row[0])), int(str(row[1]))


def _roles_and_tablespace(server: DemoServer) -> None:
    with server.connect() as connection:
        connection.execute("CREATE ROLE shop_reader NOLOGIN")
        connection.execute("CREATE ROLE shop_application LOGIN IN ROLE shop_reader CONNECTION LIMIT 20")
        connection.execute(
            sql.SQL("ALTER ROLE shop_application PASSWORD {}").format(sql.Literal(secrets.token_urlsafe(24)))
        )
        connection.execute("ALTER ROLE shop_application SET statement_timeout = '30s'")
        connection.execute(
            sql.SQL("CREATE TABLESPACE shop_archive LOCATION {}").format(
                sql.Literal(str(server.place.tablespace))
            )
        )


def _pgbench(server: DemoServer) -> None:
    environment = {"PGPASSFILE": str(server.password_file())}
    address = ["-h", "127.0.0.1", "-p", str(server.port), "-U", SUPERUSER]
    pgbench = server.binaries / "pgbench"
    for words in (["-i", "-q", "-s", str(PGBENCH_SCALE)], ["-n", "-c", "2", "-t", "500"]):
        command.run(
            [pgbench, *address, *words, "bench"],
            account=server.place.account, env=environment, cwd=server.place.folder,
        )  # fmt: skip


WAREHOUSE = """
CREATE TABLE stock (shelf text, product integer, pieces integer NOT NULL, PRIMARY KEY (shelf, product));
INSERT INTO stock SELECT 'shelf ' || n % 40, n, n * 31 % 500 FROM generate_series(1, 5000) n;
CREATE PROCEDURE take(wanted integer, many integer) LANGUAGE sql AS
    'UPDATE stock SET pieces = pieces - many WHERE product = wanted';
"""
