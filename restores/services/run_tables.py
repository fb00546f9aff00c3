"""Steps of a table rescue: compare, bring back in one transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from dataprotect.engine import table_rescue
from dataprotect.engine.model import as_plain
from dataprotect.engine.table_rescue_model import TableComparison
from restores.models import RestoreStep, RollbackPoint
from restores.services.engine_requests import (
    rescue_request,
    rescue_source,
    rescue_tables,
    rescue_target,
)
from restores.services.estimate import point_seconds
from restores.services.run_database import point_made
from restores.services.run_record import step_done
from restores.services.run_work import Work
from restores.states import RollbackKind


def compare(work: Work, step: RestoreStep) -> None:
    """Counts and keys only: values of rows do not belong into the catalog."""
    source = rescue_source(work.request, work.clone().dsn)
    found = table_rescue.compare(
        source, rescue_target(work.request), rescue_tables(work.request), values=False, reporter=work.reporter
    )
    note = "; ".join(
        f"{each.name}: {each.missing} missing, {each.changed} changed, {each.extra} extra" for each in found
    )
    step_done(work.context, step, f"{note}.", {"tables": [_counts(each) for each in found]})


def _counts(each: TableComparison) -> dict[str, Any]:
    return {
        "name": str(each.name), "source_rows": each.source_rows, "target_rows": each.target_rows,
        "same": each.same, "missing": each.missing, "changed": each.changed, "extra": each.extra,
        "notes": list(each.notes), "seconds": each.seconds,
    }  # fmt: skip


def rescue(work: Work, step: RestoreStep) -> None:
    """All or nothing, with an undo record in the same transaction; asked again, it answers what it did."""
    with transaction.atomic():
        work.context.hold()
        point, _ = RollbackPoint.objects.get_or_create(
            run=work.run, kind=RollbackKind.TABLE_UNDO, database=step.database,
            defaults={"expected_seconds": point_seconds(work.request)},
        )  # fmt: skip
    result = table_rescue.rescue(rescue_request(work.request, work.clone().dsn), work.reporter)
    point_made(work, point, undo_schema=result.undo_schema)
    note = "; ".join(
        f"{each.name}: {each.inserted} inserted, {each.updated} put back, {each.deleted} removed"
        + (f", {each.skipped} left alone" if each.skipped else "")
        + (f", loaded as {each.beside}" if each.beside else "")
        for each in result.tables
    )
    step_done(work.context, step, f"{note}. Verified before it was committed.", as_plain(result))
