"""What changes the clone: a write that is taken back, and the server's own check of every page and index."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import command
from dataprotect.engine.databases.postgresql import clone
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.stored_log import StoredLog
from dataprotect.engine.model import Check

_ASLEEP = """
SELECT set_config('session_replication_role', 'replica', true)
 WHERE has_parameter_privilege('session_replication_role', 'SET')
"""
"""The source's own triggers; only a superuser can put them to sleep."""
_PROBE = (
    "CREATE SCHEMA dataprotect_write_probe",
    "CREATE TABLE dataprotect_write_probe.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)",
    "INSERT INTO dataprotect_write_probe.t (v) SELECT g::text FROM generate_series(1, 100) AS g",
    "UPDATE dataprotect_write_probe.t SET v = v || '!' WHERE id <= 50",
    "DELETE FROM dataprotect_write_probe.t WHERE id > 90",
)
_CORRUPT = 2
_SAID = 600


def write_probe(database: str, connection: Connection) -> Check:
    """Create, insert, update, delete, read back, roll back; then commit a transaction."""
    name, wanted = f"write probe in {database}", "a table made, 90 rows left, rolled back, and a commit"
    try:
        with connection.transaction(force_rollback=True):
            for statement in (_ASLEEP, *_PROBE):
                connection.execute(statement)
            row = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE v LIKE '%!') FROM dataprotect_write_probe.t"
            ).fetchone()
        connection.execute("SELECT pg_current_xact_id()")
    except psycopg.Error as error:
        return Check(name, False, wanted, " ".join(str(error).split())[:300])
    return Check(name, row == (90, 50), wanted, "all of it" if row == (90, 50) else f"{row} rows")


def amcheck(database: str, dsn: str, log: StoredLog, wanted: bool, reporter: Reporter) -> Check:
    """`pg_amcheck`: every heap page and every B-tree, by the server's own code. Installs amcheck into the
    clone.
    """
    name = f"pg_amcheck of {database}"
    if not wanted:
        return Check(name, None, "no damage", "switched off for this verification")
    if not log.binaries.has("pg_amcheck"):
        return Check(name, None, "no damage", f"{log.binaries.folder} has no pg_amcheck")
    try:
        with clone.connect(dsn, database) as connection:
            if not _available(connection):
                return Check(name, None, "no damage", "the extension amcheck is not on this machine")
            relations = _relations(connection)
    except psycopg.Error as error:
        return Check(name, False, "no damage", " ".join(str(error).split())[:300])
    return _run(name, database, dsn, log, relations, reporter)


def _run(name: str, database: str, dsn: str, log: StoredLog, relations: int, reporter: Reporter) -> Check:
    where = conninfo_to_dict(dsn)
    expected = f"no damage in {relations} tables and indexes"
    try:
        result = command.run(
            [
                log.binaries.path("pg_amcheck"), "-h", str(where["host"]), "-p", str(where["port"]),
                "-U", str(where["user"]), "--no-password", "--install-missing", "--jobs", "2",
                "--parent-check", "--database", _pattern(database),
            ],
            account=log.account, reporter=reporter, accept=(0, _CORRUPT),
            env={"PGOPTIONS": clone.CLIENT_OPTIONS, "PGDATABASE": str(where["dbname"])},
        )  # fmt: skip
    except ForeseenError as error:
        if error.code != "command.failed":
            raise
        return Check(name, False, expected, error.message[:_SAID])
    if result.exit_code == _CORRUPT:
        return Check(name, False, expected, " ".join(result.stdout.split())[:_SAID])
    return Check(name, True, expected, "none")


def _available(connection: Connection) -> bool:
    row = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'").fetchone()
    return row is not None


def _relations(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam "
        "WHERE c.relkind IN ('r', 't', 'm') OR c.relkind = 'i' AND a.amname = 'btree'"
    ).fetchone()
    return int(row[0]) if row else 0


def _pattern(name: str) -> str:
    """`name` as a pattern that matches nothing else: quoted, so that nothing in it is special."""
    return '"' + name.replace('"', '""') + '"'
