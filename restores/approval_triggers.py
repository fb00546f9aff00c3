"""What a constraint on one table cannot say about signatures, the database refuses by triggers.

A signature repeats who asked and exactly what was signed; nobody but the requester of a test restore approves
for oneself; what was signed is never rewritten, and a voided signature never counts again. The requester of a
request changes as long as it is a draft, and never under signatures.

Taken away before migrations and made again after them: SQLite changes a table by writing it anew, which
would lose its triggers, and fails on those that name it.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

_APPROVAL, _REQUEST, _POLICY = "restores_approval", "restores_restorerequest", "restores_approvalpolicy"
_FITS_REQUEST = f"""EXISTS (SELECT 1 FROM {_REQUEST} AS asked WHERE asked.id = NEW.request_id
    AND asked.requested_by_id IS NOT DISTINCT FROM NEW.requester_id AND asked.plan_hash = NEW.signed_hash
    AND (asked.scope = 'test' OR NOT NEW.is_self))"""  # noqa: S608  names of this module
_FITS_POLICY = f"""EXISTS (SELECT 1 FROM {_POLICY} AS proposed WHERE proposed.id = NEW.policy_id
    AND proposed.proposed_by_id IS NOT DISTINCT FROM NEW.requester_id
    AND proposed.rows_hash = NEW.signed_hash AND NOT NEW.is_self)"""  # noqa: S608
_FIXED = (
    "request_id", "policy_id", "signed_hash", "decision", "role", "approver_id", "requester_id", "is_self",
    "decided_at",
)  # fmt: skip
_REWRITTEN = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _FIXED)

# name: table, event, when it is refused, what is said
_RULES = {
    "approval_fits_what_is_signed": (
        _APPROVAL, "INSERT", f"NOT ({_FITS_REQUEST}) AND NOT ({_FITS_POLICY})",
        "a signature repeats who asked and what is signed",
    ),
    "approval_is_never_rewritten": (
        _APPROVAL, "UPDATE",
        f"{_REWRITTEN} OR (OLD.voided_at IS NOT NULL AND NEW.voided_at IS DISTINCT FROM OLD.voided_at)",
        "a signature is never rewritten, and a voided one stays void",
    ),
    "request_keeps_its_requester": (
        _REQUEST, "UPDATE",
        "OLD.state <> 'draft' AND NEW.requested_by_id IS DISTINCT FROM OLD.requested_by_id",
        "who asked changes in a draft only",
    ),
}  # fmt: skip


def create(*, using: str, **_: Any) -> None:
    """After migrations; nothing where they stopped before there were signatures."""
    connection = connections[using]
    drop(using=using)
    if _APPROVAL not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        for name, rule in _RULES.items():
            for statement in _WRITTEN[connection.vendor](name, *rule):
                cursor.execute(statement)


def drop(*, using: str, **_: Any) -> None:
    connection = connections[using]
    existing = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for name, (table, *_rule) in _RULES.items():
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            elif table in existing:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")


def _for_sqlite(name: str, table: str, event: str, refused: str, words: str) -> list[str]:
    return [
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {refused} "
        f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
    ]


def _for_postgresql(name: str, table: str, event: str, refused: str, words: str) -> list[str]:
    return [
        f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF {refused} THEN
                RAISE EXCEPTION '{words}' USING ERRCODE = 'check_violation';
            END IF; RETURN NEW; END $$""",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


_WRITTEN = {"sqlite": _for_sqlite, "postgresql": _for_postgresql}
