"""Load a table beside the live one: its rows as they stood, under a new name, with its key and no more."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from dataprotect.core.progress import Reporter
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import session, staging
from dataprotect.engine.databases.postgresql.table_rescue.catalog import Described, one
from dataprotect.engine.databases.postgresql.table_rescue.pairing import Pair
from dataprotect.engine.databases.postgresql.table_rescue.reading import listed
from dataprotect.engine.model import Check
from dataprotect.engine.table_rescue_model import TableName

_LONGEST = 63
_GRANTEES = """
SELECT DISTINCT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a
WHERE n.nspname = %s AND c.relname = %s AND a.grantee <> c.relowner
"""


@dataclass(frozen=True, slots=True)
class Content:
    """digest: of all rows, whatever their order."""

    rows: int
    digest: str


def name_beside(name: TableName, restore_id: str) -> TableName:
    """`orders__restore_<id>`, the table's part cut to what the server allows (63 bytes)."""
    ending = f"__restore_{restore_id}"
    kept = name.table.encode()[: _LONGEST - len(ending)].decode(errors="ignore")
    return TableName(name.schema, kept + ending)


def load(
    source: Connection, target: Connection, found: Pair, restore_id: str, reporter: Reporter
) -> tuple[TableName, Content]:
    """Make it, fill it, give it the key. Columns are plain: a generated one keeps the value it had."""
    table = found.source
    assert table is not None  # noqa: S101  preflight passed
    made = name_beside(found.name, restore_id)
    place = sql.Identifier(made.schema, made.table)
    definitions = [
        sql.SQL("{} {}").format(sql.Identifier(each.name), sql.SQL(each.type)) for each in table.columns
    ]
    target.execute(sql.SQL("CREATE TABLE {} ({})").format(place, listed(definitions)))
    columns = _columns(table)
    out = sql.SQL("COPY (SELECT {} FROM {} AS r) TO STDOUT").format(columns, table.quoted)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(place, columns)
    staging.pump(source, out, target, into, reporter)
    if table.keys:
        names = listed(sql.Identifier(name) for name in table.keys[0].columns)
        target.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(place, names))
    target.execute(sql.SQL("ANALYZE {}").format(place))
    loaded = content(target, place, table)
    _hand_over(target, found, made, place)
    return made, loaded


def check(source: Connection, found: Pair, made: TableName, loaded: Content) -> Check:
    """Every row of both, by their count and a digest of all of them."""
    table = found.source
    assert table is not None  # noqa: S101  preflight passed
    with session.source_lost():
        expected = content(source, table.quoted, table)
    return Check(
        f"content of {made}", loaded == expected, f"{expected.rows} rows, digest {expected.digest}",
        f"{loaded.rows} rows, digest {loaded.digest}",
    )  # fmt: skip


def content(connection: Connection, place: sql.Composable, table: Described) -> Content:
    """Of these columns of the table at `place`."""
    return content_of(connection, place, [each.name for each in table.columns])


def content_of(connection: Connection, place: sql.Composable, names: list[str]) -> Content:
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text FROM {} AS r"
    ).format(listed(sql.Identifier("r", name) for name in names), place)
    rows, digest = one(connection, query)
    return Content(int(rows), str(digest))


def _columns(table: Described) -> sql.Composed:
    return listed(sql.Identifier(each.name) for each in table.columns)


def _hand_over(target: Connection, found: Pair, made: TableName, place: sql.Identifier) -> None:
    """Whoever may not read the live table shall not read its copy, whatever new tables grant by default."""
    for (grantee,) in target.execute(_GRANTEES.encode(), [made.schema, made.table]).fetchall():
        role = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
        target.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(place, role))
    if found.target is None or not found.target.is_table:
        return
    if found.target.row_security:
        target.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(place))
    owner = found.target.owner
    query = b"SELECT pg_has_role(%s, 'MEMBER') AND has_schema_privilege(%s, %s, 'CREATE')"
    if one(target, query, owner, owner, found.name.schema)[0]:
        target.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(place, sql.Identifier(owner)))
