"""Once a minute: what ended is written down, what came due is noticed, what may start is started."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Max

from catalog.models import ScheduledRun
from catalog.services.schedule_notice import policies_active, runs_notice
from catalog.services.schedule_start import runs_start
from catalog.states import RunState
from dataprotect.core import clock
from dataprotect.ops import states
from dataprotect.ops.models import Job

KEPT_FOR = timedelta(days=100)
_AT_ONCE = 1000


def schedule_run(now: datetime | None = None) -> dict[str, int]:
    """Counts of what was done, by word. Any number of schedulers may call it at once."""
    at = now or clock.now()
    ended = runs_end()
    active = policies_active()
    noticed = runs_notice(active, at)
    return {"ended": ended, "noticed": noticed, **runs_start(active, at), "forgotten": runs_forget(at)}


def runs_end() -> int:
    """Take over how the jobs ended; how many did."""
    over = ScheduledRun.objects.filter(state=RunState.STARTED).exclude(job__state__in=states.ACTIVE)
    return sum(_end(run) for run in over.select_related("job"))


def _end(run: ScheduledRun) -> int:
    """Conditional: another scheduler may have been quicker."""
    job = run.job
    state, note = _outcome(job)
    same = ScheduledRun.objects.filter(pk=run.pk, state=RunState.STARTED)
    ended = (job.finished_at if job is not None else None) or clock.now()
    return same.update(state=state, note=(note or run.note)[:500], ended_at=ended)


def _outcome(job: Job | None) -> tuple[RunState, str]:
    """A restore test that ran well and found that the backup does not restore has not succeeded."""
    if job is None:
        return RunState.FAILED, "Its job is no longer known."
    if job.state != states.SUCCEEDED:
        return RunState.FAILED, job.error_message
    if isinstance(job.result, dict) and job.result.get("passed") is False:
        return RunState.FAILED, "It ran, and what it tested did not pass."
    return RunState.SUCCEEDED, _differs(job)


def _differs(job: Job) -> str:
    """A full one instead of the smaller one that was due: the backup's own words say why."""
    wanted, result = job.arguments.get("type"), job.result if isinstance(job.result, dict) else {}
    taken = result.get("type")
    if not wanted or not taken or wanted == taken:
        return ""
    return f"A {taken} one was taken. {result.get('type_reason', '')}".strip()


def runs_forget(now: datetime) -> int:
    """Old rows go, except the newest of each subject and kind: what is due next follows from that one."""
    newest = ScheduledRun.objects.order_by().values("subject", "kind").annotate(last=Max("pk")).values("last")
    done = ScheduledRun.objects.filter(due_at__lt=now - KEPT_FOR).exclude(
        state__in=(RunState.WAITING, RunState.STARTED)
    )
    keys = list(done.exclude(pk__in=newest).values_list("pk", flat=True)[:_AT_ONCE])
    return ScheduledRun.objects.filter(pk__in=keys).delete()[0] if keys else 0
