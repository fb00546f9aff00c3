"""Steps of a database that is replaced side by side: load, validate, swap."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.db import transaction

from dataprotect.core import clock
from dataprotect.engine import replace
from dataprotect.engine.model import as_plain
from dataprotect.engine.replace_model import Origin
from restores.models import RestoreStep, RollbackPoint
from restores.services.engine_requests import replace_request, swap_options
from restores.services.estimate import point_seconds
from restores.services.rollback_run import keep_until, point_move
from restores.services.run_record import step_done, step_keep
from restores.services.run_work import Work, require_passed
from restores.states import RollbackKind, RollbackState


def load(work: Work, step: RestoreStep) -> None:
    """Asks once more, with the clone at hand, for everything that would fail later."""
    request = replace_request(work.request, step.database, work.clone().dsn)
    if "origin" not in step.evidence:
        step_keep(work.context, step, {"origin": as_plain(replace.origin(request))})
    require_passed("What the load needs", replace.preflight(request), "restore.not_ready")
    loaded = replace.load(request, work.reporter)
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
    checks = require_passed(f"The loaded {step.database}", replace.validate(request, work.reporter))
    size = work.steps("load", step.database)[0].bytes_done
    step_done(work.context, step, f"{len(checks)} checks passed.", {"checks": checks}, size)


def swap(work: Work, step: RestoreStep) -> None:
    """The only moment in which the database in use changes; a rollback point is there before."""
    request = replace_request(work.request, step.database, _dsn(work))
    origin = origin_of(work, step.database)
    point = _point(work, step.database, origin)
    where = replace.standing(request, origin)
    evidence: dict[str, Any] = {}
    if where.place != "swapped":
        swapped = replace.swap_in(request, origin, swap_options(work.request), work.reporter)
        evidence = {
            "lock_seconds": swapped.lock_seconds, "drain_seconds": swapped.drain_seconds,
            "terminated": swapped.terminated, "attempts": swapped.attempts,
        }  # fmt: skip
    point_made(work, point)
    kept = replace.names(step.database, work.request.restore_id).kept
    note = f"{step.database} is the restored one; the old one is kept as {kept}."
    step_done(work.context, step, note, evidence)


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
                "expected_seconds": point_seconds(work.request),
            },
        )  # fmt: skip
    return point


def point_made(work: Work, point: RollbackPoint, **facts: Any) -> None:
    """It can be used from now on. One that is ready already was made by the worker before."""
    if point.state == RollbackState.MAKING:
        point_move(
            work.context, point, RollbackState.READY, made_at=clock.now(),
            keep_until=keep_until(work.request), facts={**point.facts, **facts},
        )  # fmt: skip
