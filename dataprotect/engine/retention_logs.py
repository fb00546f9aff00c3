"""Which log stays: what the recovery window is replayed from, and what each backup needs itself.

A backup serves instants from its own stop on, by all log after its start; so every object that ends after the
start of a serving backup stays. Apart from that, log written while a backup was taken stays as long as the
backup is there, tombstone or not. Another cluster's log (by system identifier) is judged by its own backups.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from dataprotect.engine.retention_model import BackupFacts, HoldFacts, LogFacts, Reason, Verdict, dated_end

_UNNEEDED = (
    Reason("unneeded", "No backup that stays is replayed with it, and the recovery window begins later."),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """`base` serves instants of the recovery window until `until` (None: no end is known)."""

    base: BackupFacts
    until: datetime | None


def log_verdicts(
    logs: Iterable[LogFacts],
    backups: Sequence[BackupFacts],
    verdicts: Sequence[Verdict],
    claims: Sequence[Claim],
    holds: Sequence[HoldFacts],
    *,
    may_go: bool,
    former_systems: Collection[str],
) -> tuple[Verdict, ...]:
    """One verdict per object, in the order they came. Unless it `may_go`, nothing does."""
    judges: dict[tuple[str, int], _Judge] = {}
    ends = {verdict.name: verdict.goes_on for verdict in verdicts}
    floor = _floor(holds, may_go)
    found = []
    for item in logs:
        key = (item.system_identifier, item.timeline)
        if key not in judges:
            judges[key] = _Judge(key, backups, claims, ends, former_systems)
        reasons = (*floor, *judges[key].reasons(item))
        found.append(
            Verdict(item.name, True, reasons, dated_end(reasons))
            if reasons
            else Verdict(item.name, False, _UNNEEDED)
        )
    return tuple(found)


def _floor(holds: Sequence[HoldFacts], may_go: bool) -> tuple[Reason, ...]:
    reasons = [
        Reason("hold", f"Legal hold {hold.matter} on the whole instance: {hold.reason}", hold.until)
        for hold in holds
        if hold.backup_id is None
    ]
    if not may_go:
        reasons.append(Reason("last_good", "Without a good backup and a policy no log goes."))
    return tuple(reasons)


class _Judge:
    """Answers for the objects of one timeline of one cluster, each by two binary searches."""

    def __init__(
        self,
        key: tuple[str, int],
        backups: Sequence[BackupFacts],
        claims: Sequence[Claim],
        ends: Mapping[str, datetime | None],
        former_systems: Collection[str],
    ) -> None:
        system, timeline = key
        # A backup that does not say which cluster it is of may be of this one.
        mine = [item for item in backups if item.system_identifier in (system, "")]
        self._anything = bool(mine)
        self._too_early = not mine and system not in former_systems
        # A server promoted since then goes on from the older timeline's position: its log serves it too.
        serving = [
            claim
            for claim in claims
            if claim.base.system_identifier in (system, "") and claim.base.timeline <= timeline
        ]
        self._served = _Reaching(
            [
                (claim.base.start_position or 0, Reason("window", _window(claim.base), claim.until))
                for claim in serving
            ]
        )
        own = [item for item in mine if item.timeline == timeline and item.start_position is not None]
        own.sort(key=lambda item: item.start_position or 0)
        self._starts = [item.start_position or 0 for item in own]
        self._furthest: list[BackupFacts] = list(accumulate(own, _further))
        self._ends = ends

    def reasons(self, item: LogFacts) -> list[Reason]:
        if self._too_early:
            return [Reason("no_base_yet", "This cluster has had no backup yet: its first may be under way.")]
        if item.kind == "history":
            return [self._history()] if self._anything else []
        return [*self._served.before(item.end), *self._own(item)]

    def _history(self) -> Reason:
        return Reason("history", "History files stay as long as any backup of their cluster.")

    def _own(self, item: LogFacts) -> list[Reason]:
        """The backup that was being taken while this was written."""
        count = bisect_left(self._starts, item.end)
        if not count or _stop(self._furthest[count - 1]) <= item.start:
            return []
        base = self._furthest[count - 1].backup_id
        return [Reason("own", f"{base} needs it to be consistent.", self._ends.get(base))]


class _Reaching:
    """Claims by position; which of those that start before a position ends last."""

    def __init__(self, claims: list[tuple[int, Reason]]) -> None:
        claims.sort(key=lambda claim: claim[0])
        self._starts = [start for start, _ in claims]
        self._lasting = list(accumulate((reason for _, reason in claims), _longer))

    def before(self, end: int) -> list[Reason]:
        count = bisect_left(self._starts, end)
        return [self._lasting[count - 1]] if count else []


def _longer(one: Reason, other: Reason) -> Reason:
    if one.until is None or (other.until is not None and one.until >= other.until):
        return one
    return other


def _further(one: BackupFacts, other: BackupFacts) -> BackupFacts:
    return other if _stop(other) >= _stop(one) else one


def _stop(base: BackupFacts) -> int:
    return max(base.stop_position or 0, base.start_position or 0)


def _window(base: BackupFacts) -> str:
    return f"Instants of the recovery window are replayed with it, from {base.backup_id} on."
