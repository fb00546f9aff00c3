"""The audit chain: refused by the database, and every change behind its back is found and named."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.ops import chain, home, secrets, triggers
from dataprotect.ops.models import AuditEvent, AuditHead
from dataprotect.ops.services.audit import audit_record
from dataprotect.ops.services.audit_proof import Anchor, audit_prove, parse_anchor

pytestmark = pytest.mark.django_db(transaction=True)


def record(number: int = 1) -> None:
    for step in range(number):
        with transaction.atomic():
            audit_record(
                actor="anna", verb="backup.started", subject="instance:7", data={"step": step, "ü": "✓"}
            )


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.fixture
def unguarded() -> Callable[..., None]:
    """Raw SQL after dropping the triggers: what an administrator of the database could do."""

    def run(*statements: str) -> None:
        triggers.drop(connection)
        try:
            for statement in statements:
                sql(statement)
        finally:
            triggers.create(connection)

    return run


def test_an_empty_and_a_full_chain_are_whole() -> None:
    assert audit_prove().passed
    record(25)
    proof = audit_prove()
    assert (proof.passed, proof.events, proof.head_sequence) == (True, 25, 25)
    event = AuditEvent.objects.get(sequence=3)
    assert event.data == {"step": 2, "ü": "✓"}
    assert event.previous_hash == AuditEvent.objects.get(sequence=2).hash
    assert (event.subject_type, event.subject_id) == ("instance", "7")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ops_auditevent SET actor = 'mallory' WHERE sequence = 2",
        "UPDATE ops_auditevent SET sequence = 9 WHERE sequence = 2",
        "DELETE FROM ops_auditevent WHERE sequence = 3",
        "DELETE FROM ops_auditevent",
        "INSERT INTO ops_auditevent SELECT 9, at, actor, verb, subject_type, subject_id, data_json,"
        " previous_hash, 'x' FROM ops_auditevent WHERE sequence = 3",
    ],
)
def test_the_database_refuses_changes(statement: str) -> None:
    record(3)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        sql(statement)
    assert audit_prove().passed


def test_the_vendors_own_ways_round_are_refused_too() -> None:
    record(3)
    way_round = {
        "sqlite": "INSERT OR REPLACE INTO ops_auditevent SELECT sequence, at, 'mallory', verb, subject_type,"
        " subject_id, data_json, previous_hash, hash FROM ops_auditevent WHERE sequence = 2",
        "postgresql": "TRUNCATE ops_auditevent",
    }
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        sql(way_round[connection.vendor])
    assert audit_prove().passed


@pytest.mark.parametrize("column", ["actor", "verb", "subject_type", "subject_id", "data_json", "at", "hash"])
def test_an_edited_event_is_named(unguarded: Callable[..., None], column: str) -> None:
    record(5)
    value = "'2020-01-01 00:00:00'" if column == "at" else "'{}x'"
    unguarded(f"UPDATE ops_auditevent SET {column} = {value} WHERE sequence = 3")
    proof = audit_prove()
    assert (proof.passed, proof.broken_at) == (False, 3)


def test_a_deleted_event_in_the_middle_is_named(unguarded: Callable[..., None]) -> None:
    record(5)
    unguarded("DELETE FROM ops_auditevent WHERE sequence = 3")
    proof = audit_prove()
    assert (proof.broken_at, "missing" in proof.reason) == (3, True)


@pytest.mark.parametrize("first", [1, 4, 5])
def test_a_cut_tail_is_found_though_the_rest_is_whole(unguarded: Callable[..., None], first: int) -> None:
    record(5)
    unguarded(f"DELETE FROM ops_auditevent WHERE sequence >= {first}")
    proof = audit_prove()
    assert (proof.passed, proof.broken_at) == (False, first)


def test_reordered_events_are_found(unguarded: Callable[..., None]) -> None:
    record(5)
    unguarded(*(f"UPDATE ops_auditevent SET sequence = {new} WHERE sequence = {old}"
                for old, new in ((2, 99), (3, 2), (99, 3))))  # fmt: skip
    assert audit_prove().broken_at == 2


def forged(sequence: int, previous: str) -> tuple[str, str]:
    """An INSERT of an event whose own hash is right, and that hash."""
    at = AuditEvent.objects.get(sequence=1).at
    digest = chain.link_hash(
        sequence=sequence, at=at, actor="mallory", verb="x", subject_type="", subject_id="", data_json="{}",
        previous_hash=previous,
    )  # fmt: skip
    columns = "sequence, at, actor, verb, subject_type, subject_id, data_json, previous_hash, hash"
    values = f"{sequence}, at, 'mallory', 'x', '', '', '{{}}', '{previous}', '{digest}'"
    return (
        f"INSERT INTO ops_auditevent ({columns}) SELECT {values} FROM ops_auditevent WHERE sequence = 1",
        digest,
    )


def test_an_event_added_behind_the_chains_back_is_found(unguarded: Callable[..., None]) -> None:
    record(5)
    statement, _ = forged(6, AuditEvent.objects.get(sequence=5).hash)
    unguarded(statement)
    assert audit_prove().broken_at == 6


def test_moving_the_head_along_does_not_help_without_the_key(unguarded: Callable[..., None]) -> None:
    record(5)
    statement, digest = forged(6, AuditEvent.objects.get(sequence=5).hash)
    unguarded(statement, f"UPDATE ops_audithead SET sequence = 6, hash = '{digest}'")
    proof = audit_prove()
    assert (proof.passed, "seal" in proof.reason) == (False, True)


def test_the_next_event_does_not_heal_a_cut_tail(unguarded: Callable[..., None]) -> None:
    """The tail is cut and the head moved back; going on must not put a good seal on that."""
    record(5)
    kept = AuditEvent.objects.get(sequence=3).hash
    unguarded(
        "DELETE FROM ops_auditevent WHERE sequence > 3",
        f"UPDATE ops_audithead SET sequence = 3, hash = '{kept}'",
    )
    record(4)
    assert not audit_prove().passed


def test_a_removed_head_is_not_made_anew(unguarded: Callable[..., None]) -> None:
    record(5)
    unguarded("DELETE FROM ops_audithead")
    record(1)
    assert not audit_prove().passed


def test_a_database_put_back_to_an_earlier_state_is_found(unguarded: Callable[..., None]) -> None:
    record(3)
    early = AuditHead.objects.get()
    record(2)
    assert audit_prove().passed
    unguarded("DELETE FROM ops_auditevent WHERE sequence > 3")
    early.save()
    proof = audit_prove()
    assert (proof.passed, "earlier proof" in proof.reason) == (False, True)


def test_an_anchor_kept_outside_is_held_against_the_chain() -> None:
    record(3)
    event = AuditEvent.objects.get(sequence=2)
    record(2)
    assert audit_prove(anchors=(Anchor(2, event.hash),)).passed
    assert audit_prove(anchors=(Anchor(2, "0" * 64),)).broken_at == 2
    assert audit_prove(anchors=(Anchor(9, event.hash),)).broken_at == 6
    assert parse_anchor(f"2:{event.hash}") == Anchor(2, event.hash)
    with pytest.raises(ForeseenError, match="SEQUENCE:HASH"):
        parse_anchor("two")


def test_the_key_ring_may_be_rotated() -> None:
    record(2)
    secrets.rotate()
    record(2)
    assert audit_prove().passed


def test_the_event_stands_or_falls_with_its_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit_record(actor="anna", verb="x")
        raise ZeroDivisionError
    assert AuditEvent.objects.count() == 0
    record(1)
    assert audit_prove().passed
    with pytest.raises(RuntimeError, match="transaction"):
        audit_record(actor="anna", verb="x")


def test_a_secret_is_no_audit_data() -> None:
    with pytest.raises(TypeError), transaction.atomic():
        audit_record(actor="anna", verb="x", data={"password": Secret("swordfish")})


def test_writers_at_once_keep_one_chain() -> None:
    errors: list[Exception] = []

    def write() -> None:
        try:
            record(10)
        except Exception as error:  # noqa: BLE001  the test looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    proof = audit_prove()
    assert (proof.passed, proof.events) == (True, 40)


def test_the_anchor_is_for_the_owner_only() -> None:
    record(1)
    audit_prove()
    assert (home.keys() / "audit-anchor.json").stat().st_mode & 0o777 == 0o600
