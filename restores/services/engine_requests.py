"""From a restore request to what the engine works with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from catalog.models import Instance
from catalog.services.opening import server_binaries, source_of
from dataprotect.engine.replace_model import ReplaceRequest, ReplaceTarget, SmokeTest, SwapOptions
from dataprotect.engine.table_rescue_model import (
    Key,
    Mode,
    RescueRequest,
    RescueSource,
    RescueTarget,
    TableName,
    Triggers,
    UndoRequest,
)
from dataprotect.ops import home
from restores.models import RestoreRequest
from restores.services.restore_account import restore_address, restore_settings
from restores.services.smoke_test import allowed_hosts
from restores.states import SmokeTestKind


def target_of_server(request: RestoreRequest) -> Instance:
    """Where it goes. Only scopes that change a server have one."""
    assert request.target_instance is not None  # noqa: S101  the database constrains it
    return request.target_instance


def replace_request(request: RestoreRequest, database: str, dsn: str = "") -> ReplaceRequest:
    """`dsn`: the clone's; empty before there is one."""
    target = target_of_server(request)
    settings = restore_settings(target)
    return ReplaceRequest(
        target=ReplaceTarget(restore_address(target), database, source_of(target).data_directory),
        restore_id=request.restore_id,
        dsn=dsn,
        spool=home.clones(),  # the dump is read by who runs the clone, and on a disk as well kept
        account=home.clone_user() or "postgres",
        binaries=server_binaries(),
        jobs=settings.jobs,
        create_roles=bool(request.options.get("create_roles")),
        smoke_tests=smoke_tests(target, database),
        allowed_hosts=allowed_hosts(target),
    )


def smoke_tests(instance: Instance, database: str) -> tuple[SmokeTest, ...]:
    """The enabled ones that ask this database, or any."""
    return tuple(
        SmokeTest(
            kind="sql" if row.kind == SmokeTestKind.SQL else "http",
            name=row.name,
            statement=row.question if row.kind == SmokeTestKind.SQL else "",
            url=row.question if row.kind == SmokeTestKind.HTTP else "",
            expected=row.expected,
            timeout_seconds=float(row.timeout_seconds),
        )
        for row in instance.smoke_tests.filter(enabled=True)
        if row.database in ("", database)
    )


def swap_options(request: RestoreRequest) -> SwapOptions:
    return SwapOptions(grace_seconds=float(restore_settings(target_of_server(request)).drain_seconds))


def rescue_target(request: RestoreRequest) -> RescueTarget:
    return RescueTarget(restore_address(target_of_server(request)), request.databases[0])


def rescue_source(request: RestoreRequest, dsn: str) -> RescueSource:
    return RescueSource(dsn, request.databases[0])


def rescue_tables(request: RestoreRequest) -> tuple[TableName, ...]:
    return tuple(TableName(schema, table) for schema, table in request.tables)


def rescue_request(request: RestoreRequest, dsn: str) -> RescueRequest:
    return RescueRequest(
        restore_id=request.restore_id,
        source=rescue_source(request, dsn),
        target=rescue_target(request),
        tables=rescue_tables(request),
        mode=cast(Mode, request.table_mode),
        rows=_rows(request.options.get("rows", {})),
        triggers=_triggers(request),
        conflicts="refuse" if request.options.get("conflicts") == "refuse" else "skip",
    )


def undo_request(request: RestoreRequest) -> UndoRequest:
    return UndoRequest(request.restore_id, rescue_target(request), triggers=_triggers(request))


def _triggers(request: RestoreRequest) -> Triggers:
    return "fire" if request.options.get("triggers") == "fire" else "disabled"


def _rows(chosen: Mapping[str, list[list[str]]]) -> dict[TableName, tuple[Key, ...]]:
    """`{"schema.table": [[key, …], …]}`"""
    found = {}
    for name, keys in chosen.items():
        schema, _, table = name.partition(".")
        found[TableName(schema, table)] = tuple(tuple(map(str, key)) for key in keys)
    return found
