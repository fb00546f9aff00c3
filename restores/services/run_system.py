"""Steps of a whole server that is replaced: files beside, stop, exchange, start, check.

Whatever ends such a run before the restored server was checked leaves the old one running: `put_right`.
"""

from __future__ import annotations

import dataclasses

from django.db import transaction

from catalog.models import Backup
from catalog.services.opening import repository_open
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import choice_record, full_system
from dataprotect.engine.full_system_model import FullSystemRequest, Origin
from dataprotect.engine.model import as_plain
from dataprotect.engine.timeline_model import Choice
from restores.models import RestoreRequest, RestoreStep, RollbackPoint
from restores.services.estimate import point_seconds
from restores.services.rollback_run import point_use
from restores.services.run_database import point_made
from restores.services.run_record import step_done, step_keep
from restores.services.run_work import Work, require_passed
from restores.services.system_request import origin_of, origin_step, system_request, system_standing
from restores.services.wanted import chosen_backup
from restores.states import RollbackKind, RollbackState

_HALF = ("exchanging", "taking back")
_BEFORE = ("untouched", "restoring", "restored")


def restore_files(work: Work, step: RestoreStep) -> None:
    """Asks once more for everything that would fail later."""
    request = _request(work)
    backup, choice = _way(work)
    if "origin" not in step.evidence:
        kept = {"origin": as_plain(full_system.origin(request)), "choice": choice and as_plain(choice)}
        step_keep(work.context, step, kept)
    origin = origin_of(step.evidence["origin"])
    repository = repository_open(backup.repository)
    checks = full_system.preflight(repository, request, origin)
    require_passed("What the restore needs", checks, "restore.not_ready")
    restored = full_system.restore(repository, request, origin, work.reporter)
    origin = dataclasses.replace(origin, restored_inode=restored.inode)
    note = f"{restored.directory} holds {restored.bytes} bytes in {restored.files} files; not in use yet."
    evidence = {"origin": as_plain(origin), "restored": as_plain(restored)}
    step_done(work.context, step, note, evidence, restored.bytes)


def stop_server(work: Work, step: RestoreStep) -> None:
    """Nothing to stop once the directories are exchanged: another worker was that far."""
    origin = _origin(work)
    if system_standing(work.request, origin).place not in _BEFORE:
        step_done(work.context, step, "It was stopped, and the directories are exchanged.", {})
        return
    stopped = full_system.stop(system_request(work.request), origin, work.reporter)
    how = {True: "regularly", False: "not regularly: it will recover", None: "in a state nobody can read"}
    note = f"No process works in {origin.data_directory} any more; it ended {how[stopped.clean]}."
    step_done(work.context, step, note, as_plain(stopped))


def exchange(work: Work, step: RestoreStep) -> None:
    """A rollback point is there before."""
    request, origin = _request(work), _origin(work)
    point = _point(work, origin)
    done = full_system.exchange(request, origin, work.reporter)
    point_made(work, point)
    kept = full_system.names(request).kept
    step_done(work.context, step, f"The old data directory is kept as {kept}.", as_plain(done))


def start_server(work: Work, step: RestoreStep) -> None:
    started = full_system.start(system_request(work.request), _origin(work), work.context)
    note = f"It answers and has recovered, after {started.seconds:.1f} s. {started.note}"
    step_done(work.context, step, note.strip(), as_plain(started))


def system_check(work: Work, step: RestoreStep) -> None:
    checks = require_passed("The restored server", full_system.check(_request(work), _origin(work)))
    step_done(work.context, step, f"{len(checks)} checks of the server passed.", {"checks": checks})


def require_serving(request: RestoreRequest, point: RollbackPoint) -> None:
    """For the watch. Raises `restore.unhealthy`."""
    origin = origin_of(point.facts["origin"])
    found = full_system.serving(system_request(request), origin)
    require_passed("The restored server", found, "restore.unhealthy")


def put_right(work: Work, why: str, *, checked: bool) -> bool:
    """At the end of a run that is not complete: the old server runs again, unless the restored one was
    checked and stays. True when an exchange was taken back. Nothing asks for the stop or a cancellation here:
    no server is left down because somebody pressed a button. Raises what the engine foresees.
    """
    step = origin_step(work.run)
    if step is None:
        return False
    origin = origin_of(step.evidence["origin"])
    found = system_standing(work.request, origin)
    if found.place in _HALF or (found.place == "exchanged" and not checked):
        point_use(work.context, work.request, _point(work, origin), why, automatic=True)
        return True
    if not found.running and found.place in (*_BEFORE, "taken back", "exchanged") and _was_stopped(work):
        full_system.start(system_request(work.request), origin)
        work.context.note("The server was started again.")
    return found.place == "taken back"


def files_drop(request: RestoreRequest, step: RestoreStep) -> None:
    """What was restored beside and is not in use. Raises ForeseenError when it cannot be done now."""
    origin = origin_of(step.evidence["origin"])
    if system_standing(request, origin).place in ("restoring", "restored"):
        full_system.discard(system_request(request), origin, "restored")
    step.evidence = {**step.evidence, "staged_gone": True}
    RestoreStep.objects.filter(pk=step.pk).update(evidence=step.evidence)


def _was_stopped(work: Work) -> bool:
    """By this run: a server that was down before it is none of its business."""
    step = work.run.steps.filter(kind="stop_server", started_at__isnull=False).first()
    return step is not None and step.evidence.get("by_hook", True)


def _request(work: Work) -> FullSystemRequest:
    return system_request(work.request, _way(work)[1])


def _way(work: Work) -> tuple[Backup, Choice | None]:
    """To the target, chosen once in the run: what is stored meanwhile (the restored server's own log, too)
    changes nothing for a worker that takes over.
    """
    if work.choice is None:
        work.choice = _kept_way(work) or chosen_backup(work.wanted)
    return work.choice


def _kept_way(work: Work) -> tuple[Backup, Choice | None] | None:
    step = origin_step(work.run)
    if step is None or "choice" not in step.evidence:
        return None
    rows = Backup.objects.select_related("instance__repository", "repository")
    backup = rows.get(instance=work.request.instance, backup_id=work.wanted["backup_id"])
    kept = step.evidence["choice"]
    return backup, choice_record.of_plain(kept) if kept else None


def _origin(work: Work) -> Origin:
    step = origin_step(work.run)
    if step is None:
        raise ForeseenError(
            "restore.not_begun", "Nobody noted which data directory was in use.", "Submit it anew."
        )
    return origin_of(step.evidence["origin"])


def _point(work: Work, origin: Origin) -> RollbackPoint:
    with transaction.atomic():
        work.context.hold()
        point, _ = RollbackPoint.objects.get_or_create(
            run=work.run, kind=RollbackKind.KEPT_DIRECTORY, database="",
            defaults={
                "facts": {"origin": as_plain(origin)}, "state": RollbackState.MAKING,
                "expected_seconds": point_seconds(work.request),
            },
        )  # fmt: skip
    return point
