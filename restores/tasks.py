"""What jobs of restores call: thin doors, one service call each."""

from __future__ import annotations

from typing import Any

from dataprotect.ops.context import JobContext
from restores.services.clone import clone_drop_run, clone_run, clone_sweep
from restores.services.restore_files import restore_files_run


def run_restore_files(
    context: JobContext, *, folder: str, tablespaces: dict[str, str], **wanted: Any
) -> dict[str, Any]:
    return restore_files_run(context=context, wanted=wanted, folder=folder, tablespaces=tablespaces)


def run_clone(context: JobContext, **wanted: Any) -> dict[str, Any]:
    return clone_run(context=context, wanted=wanted)


def run_clone_drop(context: JobContext, *, clone_id: str) -> dict[str, Any]:
    return clone_drop_run(context=context, clone_id=clone_id)


def sweep_clones() -> list[str]:
    """By the clock (restores.services.schedules), not as a job."""
    return clone_sweep(actor="system")
