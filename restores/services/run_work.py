"""What the steps of one run share: the request, its rows, and the clone everything is loaded from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Min

from catalog.models import Backup
from catalog.services.opening import server_binaries
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import clones, model
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.model import Check
from dataprotect.engine.timeline_model import Choice
from dataprotect.ops import home
from dataprotect.ops.context import JobContext
from restores.models import Clone, RestoreRequest, RestoreRun, RestoreStep
from restores.services.clone import clone_run
from restores.services.restore_account import restore_settings
from restores.services.wanted import chosen_backup
from restores.states import CloneState, StepState

SLACK_SECONDS = 60.0


@dataclass
class Work:
    context: JobContext
    request: RestoreRequest
    run: RestoreRun
    _late_at: datetime | None = None
    choice: tuple[Backup, Choice | None] | None = None
    """How the target is reached, once somebody has asked."""

    def clone(self) -> Clone:
        """The clone of this run; brought up when there is none, or anew when it was lost."""
        row = self.run.clone
        if row is not None and row.state == CloneState.READY and clones.answers(row.dsn):
            return row
        made = clone_run(context=self.context, wanted=self.wanted)
        with transaction.atomic():
            self.context.hold()
            self.run.clone = Clone.objects.select_related("backup").get(clone_id=made["clone_id"])
            self.run.reached_at = self.run.clone.reached_at
            self.run.reached_position = self.run.clone.reached_position
            self.run.save(update_fields=["clone", "reached_at", "reached_position"])
        return self.run.clone

    @property
    def wanted(self) -> dict[str, Any]:
        """As `clone_run` takes it: the plan's backup, and the plan's target."""
        plan = self.request.plan
        return {
            "backup_id": plan["backup"]["backup_id"],
            "instance_id": self.request.instance_id,
            "recovery_target": plan["recovery_target"],
        }

    def clone_request(self) -> CloneRequest:
        backup, choice = chosen_backup(self.wanted)
        return CloneRequest(
            instance_id=backup.instance.identifier, backup_id=backup.backup_id, clones=home.clones(),
            binaries=server_binaries(), account=home.clone_user() or "postgres", choice=choice,
        )  # fmt: skip

    def evidence(self, kind: str, database: str = "") -> dict[str, Any]:
        """What the done step of that kind left; empty when it is not done."""
        for step in self.steps(kind, database):
            if step.state == StepState.DONE:
                return dict(step.evidence)
        return {}

    def steps(self, kind: str, database: str = "") -> list[RestoreStep]:
        return list(self.run.steps.filter(kind=kind, database=database))

    @property
    def reporter(self) -> Reporter:
        """For work before what is restored was watched: its safe points also look at the clock."""
        return _Bounded(self)

    def refuse_overlong(self) -> None:
        """Raises `restore.too_long` beyond the limit of the estimate: something is not as it was planned.

        Counted from the first step: what a run waits in the queue says nothing about the restore.
        """
        if self._late_at is None:
            self._late_at = self._limit()
        if self._late_at is not None and clock.now() > self._late_at:
            raise ForeseenError(
                "restore.too_long",
                f"The run is not done by {clock.iso(self._late_at)}, and its estimate of "
                f"{self.run.expected_seconds:.0f} s allowed no longer.",
                "Look why it is slow; submit it anew with what was measured now.",
            )

    def _limit(self) -> datetime | None:
        """The estimate and its percentage, with a minute at least: small estimates are rough ones."""
        began = self.run.steps.aggregate(first=Min("started_at"))["first"]
        expected, target = self.run.expected_seconds, self.request.target_instance
        if target is None or expected is None:
            return datetime.max.replace(tzinfo=UTC)
        if began is None:
            return None
        percent = restore_settings(target).duration_limit_percent
        late: datetime = began + timedelta(seconds=max(expected * percent / 100, expected + SLACK_SECONDS))
        return late


class _Bounded:
    """The job's reporter, and the clock."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.phase = work.context.phase
        self.advance = work.context.advance
        self.note = work.context.note

    def checkpoint(self) -> None:
        self._work.context.checkpoint()
        self._work.refuse_overlong()


def clone_of(row: Clone) -> model.Clone:
    """The row as the engine made it."""
    return model.Clone(
        clone_id=row.clone_id, dsn=row.dsn, data_directory=Path(row.data_directory),
        socket_directory=Path(row.socket_directory), port=row.port or 0, pid=row.pid or 0,
        reached_position=row.reached_position, timings=row.timings, reached_at=row.reached_at,
        reached_reason=row.reached_reason,
    )  # fmt: skip


def require_passed(
    what: str, checks: Iterable[Check], code: str = "restore.not_valid"
) -> list[dict[str, Any]]:
    """The checks as plain data. Raises `code` naming those that did not pass."""
    found = list(checks)
    failed = [check for check in found if check.passed is False]
    if failed:
        words = "; ".join(f"{each.name}: expected {each.expected}, found {each.found}" for each in failed[:5])
        raise ForeseenError(
            code, f"{what} is not what it should be. {words}",
            "Nothing is taken into use that did not pass. Look at the step's evidence.",
        )  # fmt: skip
    return [model.as_plain(check) for check in found]
