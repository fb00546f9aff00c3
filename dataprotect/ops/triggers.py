"""The audit chain is append-only in the database itself: UPDATE and DELETE (and TRUNCATE) are refused.

The statements are here and not in the migration, so that tests can lift them to empty their own database.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_REFUSAL = "the audit chain is append-only"

_SQLITE = [
    f"""CREATE TRIGGER audit_refuses_{verb} BEFORE {verb.upper()} ON ops_auditevent
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"""
    for verb in ("update", "delete")
]
_POSTGRESQL = [
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'insufficient_privilege'; END $$""",
    """CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON ops_auditevent
        FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON ops_auditevent
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
]
_DROP = {
    "sqlite": ["DROP TRIGGER IF EXISTS audit_refuses_update", "DROP TRIGGER IF EXISTS audit_refuses_delete"],
    "postgresql": [
        "DROP TRIGGER IF EXISTS audit_refuses_change ON ops_auditevent",
        "DROP TRIGGER IF EXISTS audit_refuses_truncate ON ops_auditevent",
        "DROP FUNCTION IF EXISTS audit_refuse()",
    ],
}
_CREATE = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}


def create(connection: BaseDatabaseWrapper) -> None:
    _run(connection, _CREATE[connection.vendor])


def drop(connection: BaseDatabaseWrapper) -> None:
    _run(connection, _DROP[connection.vendor])


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
