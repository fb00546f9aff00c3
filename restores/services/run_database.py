"""Steps of a database that is replaced side by side: load, validate, swap, watch."""

from __future__ import annotations

import dataclasses
import shutil
import time
from datetime import timedelta
from typing import Any

from django.db import transaction

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import replace
from dataprotect.engine.model import as_plain
from dataprotect.engine.replace_model import Health, Origin, ReplaceRequest
from restores.models import RestoreStep, RollbackPoint
from restores.services.engine_requests import replace_request, swap_options, target_of_server
from restores.services.restore_account import restore_settings
from restores.services.run_record import step_done, step_keep
from restores.services.run_work import Work, require_passed
from restores.states import RollbackKind, RollbackState

_LOOK_EVERY = 5.0


def load(work: Work, step: RestoreStep) -> None:
    """Asks once more, with the clone at hand, for everything that would fail later."""
    request = replace_request(work.request, step.database, work.clone().dsn)
    if "origin" not in step.evidence:
        step_keep(work.context, step, {"origin": as_plain(replace.origin(request))})
    require_passed("What the load needs", replace.preflight(request))
    loaded = replace.load(request, work.context)
    origin = dataclasses.replace(Origin(**step.evidence["origin"]), staged_oid=loaded.oid)
    evidence = {
        "origin": as_plain(origin), "row_counts": dict(loaded.row_counts), "timings": dict(loaded.timings),
        "messages": list(loaded.messages), "created_roles": list(loaded.created_roles),
    }  # fmt: skip
    note = (
        f"{loaded.staged} holds {loaded.size_bytes} bytes in {len(loaded.row_counts)} tables; not in use yet."
    )
    step_done(work.context, step, note, evidence, loaded.size_bytes)


def validate(work: Work, step: RestoreStep) -> None:
    request = replace_request(work.request, step.database, work.clone().dsn)
    checks = require_passed(f"The loaded {step.database}", replace.validate(request, work.context))
    step_done(work.context, step, f"{len(checks)} checks passed.", {"checks": checks})


def swap(work: Work, step: RestoreStep) -> None:
    """The only moment in which the database in use changes; a rollback point is there before."""
    request = replace_request(work.request, step.database, _dsn(work))
    origin = origin_of(work, step.database)
    point = _point(work, step.database, origin)
    where = replace.standing(request, origin)
    evidence: dict[str, Any] = {}
    if where.place != "swapped":
        swapped = replace.swap_in(request, origin, swap_options(work.request), work.context)
        evidence = {
            "lock_seconds": swapped.lock_seconds, "drain_seconds": swapped.drain_seconds,
            "terminated": swapped.terminated, "attempts": swapped.attempts,
        }  # fmt: skip
    keep = timedelta(hours=restore_settings(target_of_server(work.request)).keep_hours)
    with transaction.atomic():
        work.context.hold()
        now = clock.now()
        RollbackPoint.objects.filter(pk=point.pk, state=RollbackState.MAKING).update(
            state=RollbackState.READY, made_at=now, keep_until=now + keep
        )
    kept = replace.names(step.database, work.request.restore_id).kept
    note = f"{step.database} is the restored one; the old one is kept as {kept}."
    step_done(work.context, step, note, evidence)


def watch(work: Work, step: RestoreStep) -> None:
    """Look for some minutes whether what is in use serves. Raises `restore.unhealthy`,
    `restore.rows_missing`, `restore.disk_low`: whoever calls takes the swap back.
    """
    request = replace_request(work.request, step.database, "")
    settings = restore_settings(target_of_server(work.request))
    expected = work.evidence("load", step.database).get("row_counts", {})
    until = time.monotonic() + settings.watch_seconds
    looks, missing = 0, 0.0
    while True:
        work.context.checkpoint()
        found = replace.health(request, expected if looks == 0 else None)
        require_healthy(step.database, found)
        if looks == 0 and found.missing_percent is not None:
            missing = found.missing_percent
            _refuse_missing(step.database, missing, settings.mismatch_limit_permille / 10)
        _refuse_low_disk(request, settings.free_limit_percent)
        looks += 1
        if time.monotonic() >= until:
            break
        time.sleep(min(_LOOK_EVERY, max(0.0, until - time.monotonic())))
    note = f"{step.database} was looked at {looks} times in {settings.watch_seconds} s;"
    note += f" rows missing: {missing:.3f} %."
    step_done(work.context, step, note, {"looks": looks, "missing_percent": missing})


def require_healthy(database: str, found: Health) -> None:
    """Raises `restore.unhealthy` with the checks that did not pass."""
    if not found.healthy:
        words = "; ".join(f"{each.name}: {each.found}" for each in found.checks if each.passed is False)
        raise ForeseenError(
            "restore.unhealthy", f"{database} does not serve. {words}", "It is put back as it was."
        )


def origin_of(work: Work, database: str) -> Origin:
    """Who was who before anything was done. The load noted it, also when it did not end."""
    step = work.steps("load", database)[0]
    return Origin(**step.evidence["origin"])


def _dsn(work: Work) -> str:
    """The swap needs no clone: what is loaded was validated."""
    return work.run.clone.dsn if work.run.clone is not None else ""


def _point(work: Work, database: str, origin: Origin) -> RollbackPoint:
    with transaction.atomic():
        work.context.hold()
        point, _ = RollbackPoint.objects.get_or_create(
            run=work.run, kind=RollbackKind.RENAMED_DATABASE, database=database,
            defaults={
                "facts": {"origin": as_plain(origin)},
                "expected_seconds": work.request.plan["rollback"]["expected_seconds"],
            },
        )  # fmt: skip
    return point


def _refuse_missing(database: str, missing: float, limit: float) -> None:
    if missing > limit:
        raise ForeseenError(
            "restore.rows_missing",
            f"{missing:.3f} % of the rows of {database} are missing; {limit} % are allowed.",
            "It is rolled back.",
        )


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
