"""Tables on both sides with everything that matters for a rescue."""

from __future__ import annotations

from collections.abc import Sequence

from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.table_rescue import (
    foreign_keys,
    large_objects,
    preflight,
    sequences,
    session,
    triggers,
)
from dataprotect.engine.databases.postgresql.table_rescue.pairing import Pair, pair
from dataprotect.engine.databases.postgresql.table_rescue.preflight import Looked
from dataprotect.engine.table_rescue_model import (
    Mode,
    RescueSource,
    RescueTarget,
    TableFacts,
    TableName,
    Triggers,
)


def inspect(
    source: RescueSource,
    target: RescueTarget,
    tables: Sequence[TableName],
    mode: Mode,
    wanted: Triggers,
) -> tuple[TableFacts, ...]:
    doing = session.explained(target, "the tables were looked at")
    with session.open_source(source) as then, session.open_target(target) as now, doing:
        pairs = pairs_of(then, now, tables)
        return tuple(facts(then, now, each, mode, wanted, tables) for each in pairs)


def pairs_of(source: Connection, target: Connection, tables: Sequence[TableName]) -> list[Pair]:
    return [pair(source, target, name) for name in tables]


def facts(
    source: Connection,
    target: Connection,
    found: Pair,
    mode: Mode,
    wanted: Triggers,
    together: Sequence[TableName],
) -> TableFacts:
    then, here = found.source, found.target
    oids = [here.oid] if here and here.is_table else []
    known = [each for oid in oids for each in foreign_keys.references(target, oid)]
    awake = triggers.triggers(target, oids)
    feeding = sequences.feeding(target, here) if here and oids else []
    with session.source_lost():
        large = large_objects.columns(source, then) if then and then.is_table else ()
    looked = Looked(found, mode, known, triggers.handling(target, awake, wanted), large, together)
    return TableFacts(
        name=found.name,
        kind=here.kind if here else then.kind if then else "",
        in_source=then is not None and then.is_table,
        in_target=here is not None and here.is_table,
        columns=found.columns if then or here else (),
        key=found.key_columns,
        key_name=_key_name(found),
        refers_to=tuple(each.key for each in known if each.key.table == found.name),
        referred_by=tuple(each.key for each in known if each.key.referenced == found.name),
        triggers=tuple(sorted({each.name for each in awake})),
        sequences=tuple(f"{each.schema}.{each.name} feeds {(each.column or ('',))[-1]}" for each in feeding),
        row_security=bool(here and here.row_security),
        large_object_columns=large,
        source_bytes=then.bytes if then else 0,
        target_bytes=here.bytes if here else 0,
        source_rows=then.rows if then else 0,
        checks=tuple(preflight.checks(target, looked)),
    )


def _key_name(found: Pair) -> str:
    if found.source and found.target:
        here = found.keys[1]
        return here.name if here else ""
    present = found.source or found.target
    return present.keys[0].name if present and present.keys else ""
