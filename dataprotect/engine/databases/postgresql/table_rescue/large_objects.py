"""Large objects the rescued rows refer to: created anew under their old number where they are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import session
from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described, one

CHUNK = 1 << 20
_TOGETHER = 1000
_MISSING = (
    "SELECT DISTINCT v.oid FROM ({}) AS v (oid) WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata m \
WHERE m.oid = v.oid) ORDER BY 1"
)
_RIGHTS = """
SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type,
    a.is_grantable
FROM pg_largeobject_metadata m, aclexplode(m.lomacl) AS a WHERE m.oid = %s AND a.grantee <> m.lomowner
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """digest: SHA-256 of the content, by the live server."""

    oid: int
    size: int
    digest: str


def columns(source: Connection, table: Described) -> tuple[str, ...]:
    """Columns that may hold a large object's number, and do: of type `lo`, or `oid` with one in the clone."""
    found = []
    for each in table.columns:
        if each.base == "oid" and not each.generated:
            query = sql.SQL(
                "SELECT EXISTS (SELECT FROM {} AS r JOIN pg_largeobject_metadata m ON m.oid = r.{})"
            ).format(table.quoted, sql.Identifier(each.name))
            if each.type != "oid" or one(source, query)[0]:
                found.append(each.name)
    return tuple(found)


def restore(
    source: Connection, target: Connection, rows: sql.Composed, names: Sequence[str], reporter: Reporter
) -> list[Restored]:
    """Create what `rows` (what follows FROM) refer to in these columns and only the clone has."""
    if not names:
        return []
    restored = []
    for oid, size, owner in list(_wanted(source, target, rows, names)):
        reporter.checkpoint()
        _copy(source, target, oid, size, reporter)
        _hand_over(source, target, oid, owner)
        restored.append(Restored(oid, size, digest(target, oid)))
    return restored


def digest(connection: Connection, oid: int) -> str:
    """Of the content, block by block, so that no server needs the whole in memory."""
    query = b"""
        SELECT encode(sha256(convert_to(coalesce(string_agg(
            pageno::text || encode(sha256(data), 'hex'), ',' ORDER BY pageno), ''), 'UTF8')), 'hex')
        FROM pg_largeobject WHERE loid = %s"""
    return str(one(connection, query, oid)[0])


def _wanted(
    source: Connection, target: Connection, rows: sql.Composed, names: Sequence[str]
) -> Iterator[tuple[int, int, str]]:
    """Number, bytes and owner."""
    values = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {0} FROM {1} WHERE {0} <> 0").format(sql.Identifier(name), rows) for name in names
    )
    missing = [int(row[0]) for row in target.execute(sql.SQL(_MISSING).format(values))]
    for start in range(0, len(missing), _TOGETHER):
        with session.source_lost():
            yield from source.execute(
                "SELECT m.oid::bigint, coalesce((SELECT max(pageno::bigint * 2048 + length(data)) "
                "FROM pg_largeobject l WHERE l.loid = m.oid), 0), pg_get_userbyid(m.lomowner) "
                "FROM pg_largeobject_metadata m WHERE m.oid = ANY(%s::oid[]) ORDER BY m.oid",
                [missing[start : start + _TOGETHER]],
            ).fetchall()


def _copy(source: Connection, target: Connection, oid: int, size: int, reporter: Reporter) -> None:
    target.execute("SELECT lo_create(%s::oid)", [oid])
    for offset in range(0, size, CHUNK):
        with session.source_lost():
            block = one(source, b"SELECT lo_get(%s::oid, %s::bigint, %s)", oid, offset, CHUNK)[0]
        target.execute("SELECT lo_put(%s::oid, %s::bigint, %s)", [oid, offset, block], binary=True)
        reporter.advance(len(block))


def _hand_over(source: Connection, target: Connection, oid: int, owner: str) -> None:
    """To its owner and those who had rights, as far as these roles are there."""
    number = sql.Literal(oid)
    with session.source_lost():
        rights = source.execute(_RIGHTS.encode(), [oid]).fetchall()
    for role, right, grantable in rights:
        if role is None or _is_role(target, role):
            grantee = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
            option = sql.SQL(" WITH GRANT OPTION" if grantable else "")
            target.execute(
                sql.SQL("GRANT {} ON LARGE OBJECT {} TO {}{}").format(sql.SQL(right), number, grantee, option)
            )
    if _is_role(target, owner):
        target.execute(sql.SQL("ALTER LARGE OBJECT {} OWNER TO {}").format(number, sql.Identifier(owner)))


def _is_role(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None
