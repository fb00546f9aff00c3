"""Steps around the clone: a fresh backup before, the clone, its validation and end, a new base after."""

from __future__ import annotations

from typing import Any

from catalog.services.backup_start import backup_start
from catalog.services.opening import repository_open
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError, LeaseLost
from dataprotect.engine.model import as_plain
from dataprotect.engine.verify import compare_clone
from dataprotect.ops import queue
from restores.models import Clone, RestoreStep
from restores.services.clone import clone_drop_run
from restores.services.engine_requests import target_of_server
from restores.services.run_logs import prove_streaming, wanted
from restores.services.run_record import step_done, step_skipped
from restores.services.run_work import Work, clone_of, require_passed
from restores.states import CloneState, Scope

ACTOR = "system:restore"
_ENDINGS = frozenset({Cancelled().code, EmergencyStop("").code, LeaseLost().code})


def fresh_backup(work: Work, step: RestoreStep) -> None:
    """So that the state before the restore can be had back, whatever happens.

    A server that is restored whole because it is broken may not let itself be backed up: its directory is
    kept as it is.
    """
    try:
        found = _back_up(work, "incremental")
    except ForeseenError as error:
        if work.request.scope != Scope.SYSTEM or error.code in _ENDINGS:
            raise
        note = f"It could not be backed up, and its data directory is kept instead: {error.message}"
        step_skipped(work.context, step, note)
        return
    note = f"Backup {found['backup_id']} was taken and read back."
    step_done(work.context, step, note, found, found["bytes_read"])


def clone(work: Work, step: RestoreStep) -> None:
    row = work.clone()
    evidence = {
        "clone_id": row.clone_id, "timings": row.timings, "reached_position": row.reached_position,
        "reached_at": row.reached_at.isoformat() if row.reached_at else None,
        "reached_reason": row.reached_reason,
    }  # fmt: skip
    size = int(work.request.instance.size_bytes or 0)
    note = (
        f"The clone recovered to {row.reached_position or 'its backup'} ({row.reached_reason or 'as asked'})."
    )
    step_done(work.context, step, note, evidence, size)


def clone_check(work: Work, step: RestoreStep) -> None:
    row = work.clone()
    request = work.clone_request()
    reader = repository_open(row.backup.repository).read(request.instance_id, request.backup_id)
    checks = require_passed("The clone", compare_clone(reader, clone_of(row), request, work.reporter))
    size = int(work.request.instance.size_bytes or 0)
    step_done(work.context, step, f"{len(checks)} checks of the clone passed.", {"checks": checks}, size)


def drop_clone(work: Work, step: RestoreStep) -> None:
    dropped = drop(work)
    note = f"{dropped} and its files are gone." if dropped else "There was none any more."
    step_done(work.context, step, note, {})


def drop(work: Work) -> str:
    """Its id; empty when there was none. One that cannot be dropped now is swept when its time is over."""
    row = Clone.objects.filter(runs=work.run).exclude(state=CloneState.DROPPED).first()
    if row is None:
        return ""
    try:
        clone_drop_run(context=work.context, clone_id=row.clone_id)
    except ForeseenError as error:
        work.context.note(f"The clone {row.clone_id} stays for now: {error.message}")
        return ""
    return row.clone_id


def base_backup(work: Work, step: RestoreStep) -> None:
    """What was restored is protected again. Replacing databases leaves the server's log unbroken, so its
    chain goes on; another data directory begins a new one.
    """
    type = "full" if work.request.scope == Scope.SYSTEM else "incremental"
    found = _back_up(work, type)
    note = f"{found['type'].capitalize()} {found['backup_id']} was taken and read back."
    step_done(work.context, step, note, found, found["bytes_read"])


def _back_up(work: Work, type: str) -> dict[str, Any]:
    """As a job of its own, in this worker: one writer per instance, as always."""
    with queue.foreground():
        job = backup_start(actor=ACTOR, instance=target_of_server(work.request), type=type)
        job = queue.run_now(job, listener=work.context)
    work.context.checkpoint()  # what ended the backup may be meant for this run
    found = queue.result_of(job)
    return {
        "backup_id": found["backup_id"],
        "type": found["type"],
        "bytes_read": found["bytes_read"],
        "job": str(job.pk),
    }


def logs(work: Work, step: RestoreStep) -> None:
    """Proof, not hope: what the server writes now has to lie in the repository, and a base to lead there."""
    target = target_of_server(work.request)
    if not wanted(target):
        step_skipped(work.context, step, f"The log of {target.name} is not streamed: nothing to re-arm.")
        return
    proof = prove_streaming(work.context, target)
    note = (
        f"What was written at {proof.position} of timeline {proof.timeline} was in the repository "
        f"{proof.seconds:.1f} s later, read back; {proof.base} and the log behind it lead there."
    )
    step_done(work.context, step, note, as_plain(proof))
