"""How restores went: every run that ended, with what its recovery time was made of."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from catalog.selectors.visible import Viewer, instances_visible, sees_every_instance
from restores.models import RestoreRun


def run_list(*, user: Viewer) -> QuerySet[RestoreRun]:
    """Those that ended, newest first, as far as the asker may see the instance restored from."""
    rows = (
        RestoreRun.objects.filter(ended_at__isnull=False)
        .select_related("request__instance__tier", "request__target_instance", "request__break_glass__user")
        .prefetch_related("rollback_points")
        .order_by("-ended_at", "-pk")
    )
    if sees_every_instance(user=user):
        return rows
    return rows.filter(request__instance__in=instances_visible(user=user).order_by().values("pk"))


_WORDS = {
    "asking": "asking", "approval": "signing", "start": "starting", "queue": "queue",
    "transfer": "transfer", "replay": "replay", "load": "load", "checks": "checks", "swap": "exchange",
    "rest": "rest",
}  # fmt: skip
_WAITING = frozenset({"asking", "approval", "start", "queue"})


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of the recovery time. `x` and `width` are thousandths of the whole."""

    word: str
    seconds: float
    is_waiting: bool
    """For people or for a free worker; else something was at work."""
    x: int
    width: int


def split_of(run: RestoreRun) -> list[Part]:
    """In the order things happen, without what took no time. Empty without a recovery time."""
    total = run.rto_seconds or 0.0
    if total <= 0:
        return []
    measured = {name: float(seconds) for name, seconds in run.rto_parts.items()}
    row = run.request
    if row.submitted_at and row.declared_at:
        measured["asking"] = max(0.0, (row.submitted_at - row.declared_at).total_seconds())
    measured["rest"] = max(0.0, total - sum(measured.values()))
    parts, x = [], 0
    for name, word in _WORDS.items():
        seconds = measured.get(name, 0.0)
        if seconds < total / 1000:
            continue
        width = min(1000 - x, round(1000 * seconds / total))
        parts.append(Part(word, seconds, name in _WAITING, x, width))
        x += width
    return parts
