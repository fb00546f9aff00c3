"""What jobs of restores call: thin doors, one service call each."""

from __future__ import annotations

from typing import Any

from dataprotect.ops.context import JobContext
from restores.services.approval_notice import approvals_remind
from restores.services.approval_policy_decide import proposals_lapse
from restores.services.break_glass import reviews_remind
from restores.services.clone import clone_drop_run, clone_run, clone_sweep
from restores.services.decisions_digest import digest_write
from restores.services.request_cancel import restores_expire
from restores.services.restore_files import restore_files_run
from restores.services.rollback_expire import points_expire_start, rollback_points_expire
from restores.services.rollback_run import rollback_run
from restores.services.run_execute import restore_run
from restores.services.run_settle import runs_settle
from restores.services.table_compare import compare_run


def run_restore_files(
    context: JobContext, *, folder: str, tablespaces: dict[str, str], **wanted: Any
) -> dict[str, Any]:
    return restore_files_run(context=context, wanted=wanted, folder=folder, tablespaces=tablespaces)


def run_clone(context: JobContext, **wanted: Any) -> dict[str, Any]:
    return clone_run(context=context, wanted=wanted)


def run_clone_drop(context: JobContext, *, clone_id: str) -> dict[str, Any]:
    return clone_drop_run(context=context, clone_id=clone_id)


def run_restore(context: JobContext, *, request_pk: int, backup_id: str = "") -> dict[str, Any]:
    """`backup_id` only says what it reads."""
    return restore_run(context=context, request_pk=request_pk)


def run_rollback(context: JobContext, *, request_pk: int, reason: str) -> dict[str, Any]:
    return rollback_run(context=context, request_pk=request_pk, reason=reason)


def run_rollback_points(context: JobContext) -> dict[str, int]:
    return {"gone": rollback_points_expire(context)}


def tend_restores() -> dict[str, int]:
    """By the clock, once a minute: what lapsed, what is kept too long, what was not signed or reviewed."""
    points_expire_start()
    return {
        "settled": runs_settle(),
        "expired": restores_expire(),
        "proposals_lapsed": proposals_lapse(),
        "reminded": approvals_remind(),
        "reviews_overdue": reviews_remind(),
    }


def run_table_compare(context: JobContext, *, request_pk: int) -> dict[str, Any]:
    return compare_run(context=context, request_pk=request_pk)


def digest_decisions() -> int:
    """By the clock (restores.services.schedules), not as a job."""
    return digest_write()


def sweep_clones() -> list[str]:
    """By the clock (restores.services.schedules), not as a job."""
    return clone_sweep(actor="system")
