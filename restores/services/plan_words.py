"""What a plan says to people: what changes, and why so many have to sign it. It is part of what they sign."""

from __future__ import annotations

from restores.models import RestoreRequest
from restores.selectors.approvals import PolicyRow
from restores.selectors.policies import limits_in_words, volume_in_words
from restores.states import Scope, TableMode

_ROWS = {
    TableMode.BESIDE: "Nothing that is there: {tables} of {names} come back as tables of their own, beside.",
    TableMode.MERGE: "Rows missing from {tables} in {names} come back. No row that is there is touched.",
    TableMode.ROWS: "Exactly the chosen rows of {tables} in {names} are put back as they were.",
    TableMode.REPLACE: "{tables} in {names} become what they were. Rows written since go, kept for undo.",
}
_DATABASES = (
    "{names} on {target}: exchanged for what was there then. Sessions are ended for the moment of the "
    "exchange; what is in use now is kept under another name."
)
_SYSTEM = (
    "All of {target}: its server is stopped, and its data directory exchanged for what it was. "
    "The old one is kept."
)


def what_changes(request: RestoreRequest) -> str:
    """The effect in a sentence or two, with the names of what is affected."""
    if request.scope == Scope.TEST:
        return "Nothing on any server: an isolated clone is brought up and compared."
    if request.scope == Scope.TABLE:
        words = _ROWS[TableMode(request.table_mode)] if request.table_mode else "It is not chosen yet."
    else:
        words = _SYSTEM if request.scope == Scope.SYSTEM else _DATABASES
    return words.format(
        names=", ".join(request.databases),
        tables=", ".join(".".join(table) for table in request.tables),
        target=request.target_instance.name if request.target_instance is not None else "the target",
    )


def why_signed(request: RestoreRequest, row: PolicyRow, databases: int, size_bytes: int) -> str:
    """The blast radius, and which row of the policy it falls into."""
    if request.scope == Scope.TEST:
        return "A clone overwrites nothing."
    size = volume_in_words(int(float(f"{size_bytes:.3g}")))
    number = f"{databases} database{'' if databases == 1 else 's'}, {size}"
    return f"{number}: signed like “{Scope(row.scope).label}” ({limits_in_words(row.plain())})."
