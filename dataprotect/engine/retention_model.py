"""The shapes that go into and come out of a decision about retention; days are days of the rules' zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Proof = Literal["unproved", "checked", "restore_tested", "damaged", "missing"]
PROVED: tuple[Proof, ...] = ("checked", "restore_tested")
LogKind = Literal["wal", "slice", "history"]


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How long backups stay. 0 days switches a rule off; the last good copy stays even so.

    keep_all_days    everything stays for so many days, proved or not (today is the first)
    keep_…_days      for so many days stays the one backup that represents its day, week, month, year
    log_window_days  every instant of so many days can be restored: good backups and log inside stay
    keep_everything  nobody has said how long: nothing goes unless two persons ask for it
    """

    keep_daily_days: int = 30
    keep_weekly_days: int = 90
    keep_monthly_days: int = 365
    keep_yearly_days: int = 2555
    minimum_restore_tested: int = 2
    log_window_days: int = 7
    keep_all_days: int = 2
    timezone: str = "UTC"
    keep_everything: bool = False


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """One backup that is in a repository. Positions are byte positions in the log of its timeline.

    parents    backups whose packs it needs
    condemned  two persons asked for its deletion: no rule of the calendar keeps it, the floor and holds do
    """

    backup_id: str
    type: str
    parents: tuple[str, ...]
    stopped_at: datetime
    proof: Proof
    start_position: int | None = None
    stop_position: int | None = None
    timeline: int = 1
    system_identifier: str = ""
    condemned: bool = False


@dataclass(frozen=True, slots=True)
class LogFacts:
    """One stored object of log, from `start` up to `end`; a history file has no positions."""

    name: str
    kind: LogKind
    timeline: int
    system_identifier: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """A legal hold on one backup, or with `backup_id` None on everything; `until` None: until lifted."""

    matter: str
    reason: str
    owner: str
    backup_id: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something stays (until an instant; None: as long as things are as they are), or does not."""

    code: str
    sentence: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the backup or log object `name`, and every reason for it.

    `goes_on` is when a kept one goes if nothing changes but time and newer good backups keep coming;
    None where no date can be told (a hold without end, the last good copy).
    """

    name: str
    keep: bool
    reasons: tuple[Reason, ...]
    goes_on: datetime | None = None

    @property
    def sentences(self) -> list[str]:
        return [reason.sentence for reason in self.reasons]

    @property
    def codes(self) -> set[str]:
        return {reason.code for reason in self.reasons}


@dataclass(frozen=True, slots=True)
class Decision:
    """Verdicts in the order of the input (backups oldest first, logs as they came)."""

    at: datetime
    backups: tuple[Verdict, ...]
    logs: tuple[Verdict, ...] = ()
    good: frozenset[str] = field(default_factory=frozenset)
    """Backups that count: proved, and so is everything they depend on."""

    @property
    def kept(self) -> list[str]:
        return [verdict.name for verdict in self.backups if verdict.keep]

    @property
    def expired(self) -> list[str]:
        return [verdict.name for verdict in self.backups if not verdict.keep]


def dated_end(reasons: tuple[Reason, ...]) -> datetime | None:
    """The last of all ends; None when one of them has none."""
    ends = [reason.until for reason in reasons]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
