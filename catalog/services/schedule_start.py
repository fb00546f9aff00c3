"""Starting what is due: in order, within the limits, each once, through the services a person uses too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import cast

from django.db import transaction

from catalog.models import Instance, Repository, ScheduledRun
from catalog.selectors.load import load_now
from catalog.services.backup_start import backup_start
from catalog.services.pitr_test_start import pitr_test_start
from catalog.services.restore_test_start import restore_test_start
from catalog.services.retention_audit import retention_audit_start
from catalog.services.schedule_notice import Active
from catalog.states import RunKind, RunState
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.schedule import BACKUPS, Kind, Waiting, choose, held
from dataprotect.ops import states, stop
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record

ACTOR = "system:schedule"
_STOPPED = "The emergency stop is active."
_TOGETHER = 500
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Load:
    """What runs now, by the schedule or by hand; read once and counted up by what is started."""

    of_instance: Counter[int] = field(default_factory=Counter)
    of_repository: Counter[int] = field(default_factory=Counter)
    writers: set[str] = field(default_factory=set)

    @classmethod
    def now(cls) -> Load:
        """Three queries."""
        load = cls(*load_now())
        active = Job.objects.filter(state__in=states.ACTIVE, exclusive__startswith="instance:")
        load.writers = set(active.values_list("exclusive", flat=True))
        return load


def runs_start(active: dict[int, Active], now: datetime) -> dict[str, int]:
    """Counts `{"started", "covered", "held"}`."""
    waiting = list(
        ScheduledRun.objects.filter(state=RunState.WAITING).select_related(
            "instance__repository", "instance__last_restore_test", "policy"
        )
    )
    if not waiting:
        return {"started": 0, "covered": 0, "held": 0}
    chosen, covered = _choose(waiting)
    stopped, load = stop.stop_reason() is not None, Load.now()
    started, reasons = 0, {}
    for run in sorted(chosen, key=_turn):
        reason = _STOPPED if stopped else _held(run, active, load, now)
        if reason:
            reasons[run.pk] = reason
        elif _start(run, now):
            _count(load, run)
            started += 1
    _note(chosen, reasons)
    return {"started": started, "covered": covered, "held": len(reasons)}


def _choose(waiting: list[ScheduledRun]) -> tuple[list[ScheduledRun], int]:
    """Per subject what is to start; what that covers is ended here."""
    rows = {run.pk: run for run in waiting}
    chosen: list[ScheduledRun] = []
    covered: dict[tuple[str, datetime], list[int]] = {}
    for _, mine in groupby(sorted(waiting, key=lambda run: run.subject), key=lambda run: run.subject):
        choice = choose(Waiting(run.pk, cast(Kind, run.kind), run.due_at) for run in mine)
        chosen += [rows[one.key] for one in choice.start]
        for one, by in choice.covered:
            words = _covered_words(rows[one.key], rows[by.key])
            covered.setdefault((words, rows[by.key].noticed_at), []).append(one.key)
    return chosen, sum(_cover(keys, note, at) for (note, at), keys in covered.items())


def _covered_words(run: ScheduledRun, by: ScheduledRun) -> str:
    words = f"Covered by the {RunKind(by.kind).label.lower()} due {by.due_at:%Y-%m-%d %H:%M} UTC."
    return f"{words} {run.note}".strip()[:500]


def _cover(keys: list[int], note: str, at: datetime) -> int:
    """Those of one policy share their words: an UPDATE per batch, not per run."""
    done = 0
    for first in range(0, len(keys), _TOGETHER):
        same = ScheduledRun.objects.filter(pk__in=keys[first : first + _TOGETHER], state=RunState.WAITING)
        done += same.update(state=RunState.COVERED, note=note, ended_at=at)
    return done


def _turn(run: ScheduledRun) -> tuple[bool, datetime, datetime, int]:
    """Backups first, the longest due first; of tests, the instance whose last one is longest ago."""
    test = run.instance.last_restore_test if run.instance is not None else None
    tested = test.finished_at if test is not None and run.kind not in BACKUPS else _LONG_AGO
    return (run.kind not in BACKUPS, tested, run.due_at, run.pk)


def _held(run: ScheduledRun, active: dict[int, Active], load: Load, now: datetime) -> str:
    """Why it may not start now; empty when it may."""
    instance = run.instance
    if instance is None:
        return ""
    one = active.get(instance.policy_id or 0)
    reason = held(one.plan, cast(Kind, run.kind), now) if one is not None else ""
    return reason or _limited(run, instance, load, one.policy.max_concurrent if one is not None else 1)


def _limited(run: ScheduledRun, instance: Instance, load: Load, most: int) -> str:
    if run.kind in BACKUPS and instance.exclusive_key in load.writers:
        return "It waits for another job that writes this instance's backups."
    if load.of_instance[instance.pk] >= most:
        return f"It waits: {most} at once for this instance is the limit of its policy."
    repository = instance.repository
    if load.of_repository[repository.pk] >= repository.max_concurrent:
        return (
            f"It waits: {repository.max_concurrent} at once is the limit of the repository {repository.name}."
        )
    return ""


def _count(load: Load, run: ScheduledRun) -> None:
    if run.instance is not None:
        load.of_instance[run.instance.pk] += 1
        load.of_repository[run.instance.repository_id] += 1
        load.writers |= {run.instance.exclusive_key} if run.kind in BACKUPS else set()


def _start(run: ScheduledRun, now: datetime) -> bool:
    """True when it was started here. The row decides who starts it; the repository's lock, how many run."""
    with transaction.atomic():
        if run.instance is not None and not _room(run.instance):
            return False
        mine = ScheduledRun.objects.filter(pk=run.pk, state=RunState.WAITING)
        if not mine.update(state=RunState.STARTED, started_at=now):
            return False
        try:
            with transaction.atomic():
                run.job = _STARTERS[RunKind(run.kind)](run)
        except ForeseenError as error:
            _refused(run, error, now)
            return False
        ScheduledRun.objects.filter(pk=run.pk).update(job=run.job)
        data = {
            "about": run.subject,
            "kind": run.kind,
            "due_at": run.due_at.isoformat(),
            "missed": run.missed,
        }
        audit_record(actor=ACTOR, verb="schedule.started", subject=run, data=data)
    return True


def _room(instance: Instance) -> bool:
    """Counted again under the repository's lock: another scheduler may have started something meanwhile."""
    repository = Repository.objects.select_for_update().get(pk=instance.repository_id)
    of_instance, of_repository = load_now()
    if of_repository[repository.pk] >= repository.max_concurrent:
        return False
    policy = instance.policy
    return policy is None or of_instance[instance.pk] < policy.max_concurrent


def _refused(run: ScheduledRun, error: ForeseenError, now: datetime) -> None:
    """The schedule goes on with the next occurrence; until then the run is unmet, and an alert says so."""
    note = f"{error.message} {error.action}"[:500]
    ScheduledRun.objects.filter(pk=run.pk).update(state=RunState.REFUSED, note=note, ended_at=now)
    data = {"about": run.subject, "kind": run.kind, "code": error.code, "message": error.message}
    audit_record(actor=ACTOR, verb="schedule.refused", subject=run, data=data)


def _note(chosen: Iterable[ScheduledRun], reasons: dict[int, str]) -> None:
    """Say why it waits, where that has changed."""
    words: dict[str, list[int]] = {}
    for run in chosen:
        if run.pk in reasons and run.note != reasons[run.pk]:
            words.setdefault(reasons[run.pk], []).append(run.pk)
    for reason, keys in words.items():
        for first in range(0, len(keys), _TOGETHER):
            some = keys[first : first + _TOGETHER]
            ScheduledRun.objects.filter(pk__in=some, state=RunState.WAITING).update(note=reason[:500])


def _instance(run: ScheduledRun) -> Instance:
    if run.instance is None:
        raise AssertionError("this kind of run is about an instance")
    return run.instance


def _backup(run: ScheduledRun) -> Job:
    return backup_start(actor=ACTOR, instance=_instance(run), type=run.kind)


_STARTERS: dict[RunKind, Callable[[ScheduledRun], Job]] = {
    RunKind.FULL: _backup,
    RunKind.DIFFERENTIAL: _backup,
    RunKind.INCREMENTAL: _backup,
    RunKind.RESTORE_TEST: lambda run: restore_test_start(actor=ACTOR, instance=_instance(run)),
    RunKind.PITR_TEST: lambda run: pitr_test_start(actor=ACTOR, instance=_instance(run)),
    RunKind.AUDIT: lambda run: retention_audit_start(actor=ACTOR),
}
