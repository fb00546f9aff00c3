"""The clone's rows beside the live table's, looked at before anybody decides.

Rows are somebody's data: what was compared is sealed with the home's keys, shown only to whoever may restore
from the instance, and gone when the request ends or is edited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from catalog.services.access import Actor, require
from dataprotect.core import clock
from dataprotect.core.errors import InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.engine import table_rescue
from dataprotect.engine.table_rescue_model import RowDifference, TableComparison
from dataprotect.ops import queue, secrets
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.stop import refuse_while_stopped
from restores.models import RestoreRequest
from restores.services.clone import clone_drop_run, clone_run
from restores.services.engine_requests import rescue_source, rescue_tables, rescue_target
from restores.services.request_draft import check_wish, may_change, wish_of
from restores.services.wanted import wanted_by

RUN = "restores.tasks.run_table_compare"
SAMPLE = 20
_FIELD = "comparison_sealed"


def compare_start(*, actor: Actor, request: RestoreRequest) -> Job:
    """Bring up a clone at the instant, compare, drop it. Raises `restore.not_open`, InvalidInput."""
    refuse_while_stopped()
    may_change(actor, request)
    require(actor=actor, permission="catalog.restore_instance", instance=request.instance)
    check_wish(wish_of(request))
    return queue.enqueue(
        RUN, arguments={"request_pk": request.pk}, actor=actor, subject=request.instance.subject,
        title=f"Compare tables for {request.restore_id}", exclusive=f"compare:{request.pk}",
    )  # fmt: skip


def compare_run(*, context: JobContext, request_pk: int) -> dict[str, Any]:
    """Counts are the job's result; rows are sealed into the request."""
    request = RestoreRequest.objects.select_related("instance", "target_instance", "backup").get(
        pk=request_pk
    )
    made = clone_run(context=context, wanted=wanted_by(request))
    try:
        found = table_rescue.compare(
            rescue_source(request, made["dsn"]), rescue_target(request), rescue_tables(request),
            sample=SAMPLE, reporter=context,
        )  # fmt: skip
    finally:
        clone_drop_run(context=context, clone_id=made["clone_id"])
    _keep(context, request, [_plain(each) for each in found])
    counts = {
        f"{each.name} {what}": getattr(each, what)
        for each in found
        for what in ("missing", "changed", "extra")
    }
    return {"restore_id": request.restore_id, **counts}


def comparison_of(request: RestoreRequest) -> list[dict[str, Any]]:
    """What was compared, opened; empty before. The caller has checked who may see rows."""
    opened = secrets.open_field(request, _FIELD)
    found: list[dict[str, Any]] = json.loads(opened.reveal()) if opened is not None else []
    return found


def chosen_rows(request: RestoreRequest, places: Sequence[str]) -> dict[str, list[list[str]]]:
    """Keys by table for `options["rows"]`, out of what was compared; a place is `table:row`, both counted.

    Raises InvalidInput for a place that is not there, or for a row that only exists now.
    """
    found, chosen = comparison_of(request), dict[str, list[list[str]]]()
    for place in places:
        table, _, number = place.partition(":")
        try:
            each = found[int(table)]
            row = each["rows"][int(number)]
        except (ValueError, IndexError):
            raise InvalidInput("rows", "Expected rows of the last comparison; compare again.") from None
        if row["kind"] == "extra":
            raise InvalidInput("rows", "Expected rows that were there at the instant.")
        chosen.setdefault(each["name"], []).append(row["key"])
    if not chosen:
        raise InvalidInput("rows", "Expected at least one row.")
    return chosen


def _keep(context: JobContext, request: RestoreRequest, found: list[dict[str, Any]]) -> None:
    sealed = secrets.seal_field(request, _FIELD, Secret(json.dumps(found)))
    with transaction.atomic():
        context.hold()
        RestoreRequest.objects.filter(pk=request.pk).update(comparison_sealed=sealed, compared_at=clock.now())


def _plain(each: TableComparison) -> dict[str, Any]:
    return {
        "name": str(each.name), "key": list(each.key), "missing": each.missing, "changed": each.changed,
        "extra": each.extra, "same": each.same, "source_rows": each.source_rows,
        "target_rows": each.target_rows, "notes": list(each.notes),
        "rows": [_row(row) for row in each.differences],
    }  # fmt: skip


def _row(row: RowDifference) -> dict[str, Any]:
    return {"kind": row.kind, "key": list(row.key), "then": _values(row.then), "now": _values(row.now)}


def _values(values: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
    return dict(values) if values is not None else None
