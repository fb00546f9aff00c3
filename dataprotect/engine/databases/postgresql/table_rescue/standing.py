"""How a rescue stands, as the live server alone tells."""

from __future__ import annotations

from dataprotect.engine.databases.postgresql.table_rescue import session, undo_record
from dataprotect.engine.table_rescue_model import RescueTarget, Standing

_STATEMENT_SECONDS = 60.0


def standing(target: RescueTarget, restore_id: str) -> Standing:
    undo_record.check_restore_id(restore_id)
    doing = session.explained(target, "it was asked how a rescue stands")
    with session.open_target(target, _STATEMENT_SECONDS) as connection, doing, connection.transaction():
        if session.at_work(connection, restore_id):
            return Standing("running")
        record = undo_record.read(connection, restore_id)
        if record is None:
            return Standing("none")
        size = undo_record.size(connection, restore_id)
        return Standing(record.state, record.rescued, record.undone, record.at, size)


def forget_undo(target: RescueTarget, restore_id: str, lock_seconds: float) -> bool:
    undo_record.check_restore_id(restore_id)
    doing = session.explained(target, "an undo record was dropped")
    with (
        session.open_target(target, lock_seconds=lock_seconds) as connection,
        doing,
        connection.transaction(),
    ):
        session.take(connection, restore_id)
        if undo_record.read(connection, restore_id) is None:
            return False
        undo_record.drop(connection, restore_id)
        return True
