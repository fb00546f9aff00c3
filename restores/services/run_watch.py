"""The watch after each change: for some minutes, does what is in use serve? Whoever calls takes it back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping

from dataprotect.core.errors import ForeseenError
from dataprotect.core.wording import counted
from dataprotect.engine import replace
from dataprotect.engine.replace_model import Health, ReplaceRequest
from restores.models import RestoreSettings, RestoreStep
from restores.services.engine_requests import replace_request, target_of_server
from restores.services.restore_account import restore_settings
from restores.services.run_record import step_done
from restores.services.run_system import require_serving
from restores.services.run_work import Work
from restores.states import RollbackKind, Scope, TableMode

_LOOK_EVERY = 5.0
_TRIES = 3
"""Clients were disconnected a moment ago: one bad answer is asked again before it undoes a restore."""


def watch(work: Work, step: RestoreStep) -> None:
    """Raises `restore.unhealthy`, `restore.rows_missing`, `restore.disk_low`, `restore.too_long`."""
    if work.request.scope == Scope.TABLE and work.request.table_mode == TableMode.BESIDE:
        step_done(work.context, step, "No live table was touched: there is nothing to watch.", {})
        return
    if work.request.scope == Scope.SYSTEM:
        _watch_system(work, step)
        return
    request = replace_request(work.request, step.database)
    settings = restore_settings(target_of_server(work.request))
    expected = work.evidence("load", step.database).get("row_counts", {})
    missing = _missing(work, request, expected, settings)
    until, looks = time.monotonic() + settings.watch_seconds, 0
    while looks == 0 or time.monotonic() < until:
        work.reporter.checkpoint()
        _require_healthy(work, request)
        _refuse_low_disk(request, settings.free_limit_percent)
        looks += 1
        time.sleep(min(_LOOK_EVERY, max(0.0, until - time.monotonic())))
    note = f"{step.database} was looked at {counted(looks, 'time')} in {settings.watch_seconds} s"
    note += "." if missing is None else f"; rows missing: {missing:.3f} %."
    step_done(work.context, step, note, {"looks": looks, "missing_percent": missing})


def _watch_system(work: Work, step: RestoreStep) -> None:
    """The server as a whole, and every database that an application asks smoke tests."""
    target = target_of_server(work.request)
    settings, point = restore_settings(target), work.run.rollback_points.get(kind=RollbackKind.KEPT_DIRECTORY)
    asked = target.smoke_tests.filter(enabled=True).values_list("database", flat=True)
    wanted = [replace_request(work.request, name or target.database) for name in sorted(set(asked))]
    until, looks = time.monotonic() + settings.watch_seconds, 0
    while looks == 0 or time.monotonic() < until:
        work.reporter.checkpoint()
        require_serving(work.request, point)
        for request in wanted:
            _require_healthy(work, request)
        _refuse_low_disk(replace_request(work.request, target.database), settings.free_limit_percent)
        looks += 1
        time.sleep(min(_LOOK_EVERY, max(0.0, until - time.monotonic())))
    note = f"The server was looked at {counted(looks, 'time')} in {settings.watch_seconds} s."
    step_done(work.context, step, note, {"looks": looks})


def _missing(
    work: Work, request: ReplaceRequest, expected: Mapping[str, int], settings: RestoreSettings
) -> float | None:
    """Per cent of the rows that were loaded; None: none were counted. Once, since counting reads all."""
    if not expected:
        return None
    work.reporter.checkpoint()
    missing = replace.health(request, expected).missing_percent
    limit = settings.mismatch_limit_permille / 10
    if missing is not None and missing > limit:
        raise ForeseenError(
            "restore.rows_missing",
            f"{missing:.3f} % of the rows of {request.target.database} are missing; {limit} % are allowed.",
            "It is rolled back.",
        )
    return missing


def _require_healthy(work: Work, request: ReplaceRequest) -> None:
    for tried in range(1, _TRIES + 1):
        found = replace.health(request)
        if found.healthy:
            return
        work.context.note(f"{request.target.database} does not serve ({tried} of {_TRIES}): {_bad(found)}")
        work.reporter.checkpoint()
        if tried < _TRIES:
            time.sleep(_LOOK_EVERY)
    raise ForeseenError(
        "restore.unhealthy", f"{request.target.database} does not serve. {_bad(found)}.",
        "It is put back as it was.",
    )  # fmt: skip


def _bad(found: Health) -> str:
    return "; ".join(f"{each.name}: {each.found}" for each in found.checks if each.passed is False)


def _refuse_low_disk(request: ReplaceRequest, limit: int) -> None:
    """Only where the worker sees the server's disk."""
    place = request.target.data_directory
    if place is None or not place.is_dir():
        return
    usage = shutil.disk_usage(place)
    free = 100.0 * usage.free / usage.total
    if free < limit:
        raise ForeseenError(
            "restore.disk_low", f"Only {free:.1f} % of the server's disk is free; {limit} % have to be.",
            "It is rolled back, and the restored copy dropped.",
        )  # fmt: skip
