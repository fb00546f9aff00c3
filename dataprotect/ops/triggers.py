"""The audit chain is append-only in the database itself.

UPDATE, DELETE and TRUNCATE are refused, and so is an INSERT that does not follow the newest event: SQLite's
`INSERT OR REPLACE` would otherwise remove a row without any DELETE trigger seeing it.
The statements are here and not in the migration, so that tests can lift them to empty their own database.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_TABLE = "ops_auditevent"
_REFUSAL = "the audit chain is append-only"
_NOT_NEXT = f"NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM {_TABLE})"  # noqa: S608
_KNOWN = f"EXISTS (SELECT 1 FROM {_TABLE} WHERE hash = NEW.hash)"  # noqa: S608
_ABORT = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"

_SQLITE = [
    f"CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON {_TABLE} {_ABORT}",
    f"CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON {_TABLE} {_ABORT}",
    f"CREATE TRIGGER audit_refuses_insert BEFORE INSERT ON {_TABLE} WHEN {_NOT_NEXT} OR {_KNOWN} {_ABORT}",
]
_POSTGRESQL = [
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'insufficient_privilege'; END $$""",
    f"""CREATE FUNCTION audit_refuse_gap() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF {_NOT_NEXT} THEN
            RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'insufficient_privilege';
        END IF; RETURN NEW; END $$""",
    f"""CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON {_TABLE}
        FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    f"""CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON {_TABLE}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    f"""CREATE TRIGGER audit_refuses_insert BEFORE INSERT ON {_TABLE}
        FOR EACH ROW EXECUTE FUNCTION audit_refuse_gap()""",
]
_CREATE = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
_DROP = {
    "sqlite": [f"DROP TRIGGER IF EXISTS audit_refuses_{verb}" for verb in ("update", "delete", "insert")],
    "postgresql": [
        *(
            f"DROP TRIGGER IF EXISTS audit_refuses_{verb} ON {_TABLE}"
            for verb in ("change", "truncate", "insert")
        ),
        "DROP FUNCTION IF EXISTS audit_refuse()",
        "DROP FUNCTION IF EXISTS audit_refuse_gap()",
    ],
}


def create(connection: BaseDatabaseWrapper) -> None:
    _run(connection, _CREATE[connection.vendor])


def drop(connection: BaseDatabaseWrapper) -> None:
    _run(connection, _DROP[connection.vendor])


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
