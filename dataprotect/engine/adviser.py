"""Which backups, how often, and what that means: a pure recommendation with its reasons and its sources.

Nothing here is looked up. Every figure says where it comes from, and what was not measured is called a guess.

How the figures are made:
    differential   grows with the days since the full: pages change again, so it never exceeds the database
    restore time   the full and every backup on it at the measured rate, then the log to the target
    storage        what retention keeps at a time, at today's size, and at that of later months
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dataprotect.core.errors import InvalidInput

GB = 10**9
_DAY_HOURS = 24
_SMALL = 20 * GB
"""Below this a full backup a day is over in minutes, and every restore is a single step."""
_MONTHS = (0, 3, 6, 12)
Kind = Literal["full", "differential", "incremental"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` in the unit of its field; `source`: where it comes from, as a person reads it."""

    value: float
    source: str
    guess: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one instance.

    size             bytes of the database
    stored_share     stored bytes per byte of a full backup
    changed_per_day  bytes of pages that change in a day
    log_per_day      bytes of log in a day
    backup_rate, restore_rate, replay_rate   bytes per second
    growth_per_day   bytes
    window_seconds   for a backup; None: any time, as long as it takes
    price            per GB and month; None: not said
    """

    name: str
    size: Figure
    stored_share: Figure
    changed_per_day: Figure
    log_per_day: Figure
    backup_rate: Figure
    restore_rate: Figure
    replay_rate: Figure
    growth_per_day: Figure
    rto_seconds: int
    rpo_seconds: int
    window_seconds: float | None
    keep_full: int
    """Weekly, monthly and annual full backups that retention keeps at a time."""
    keep_days: int
    """Days of which every one keeps a backup."""
    log_window_days: int
    price: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours between two of a kind; None: none of them."""

    full_hours: int
    differential_hours: int | None
    incremental_hours: int | None
    stream_logs: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """`detail`: how it was made, with the measurements behind it. `guess`: one of them was none."""

    seconds: float
    detail: str
    guess: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """In so many months: bytes stored, and what that costs a month (None without a price)."""

    months: int
    stored_bytes: float
    per_month: float | None


@dataclass(frozen=True, slots=True)
class Advice:
    name: str
    schedule: Schedule
    reasons: list[str]
    restore: Estimate
    backup: Estimate
    costs: list[Cost]
    currency: str
    guess: bool
    figures: dict[str, Figure] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def advise(facts: Facts) -> Advice:
    """The recommendation. Raises `input.size` when nothing is known of the size."""
    if facts.size.value <= 0:
        raise InvalidInput("size", f"The size of {facts.name} is not known yet: probe it first.")
    reasons: list[str] = []
    schedule = Schedule(
        full_hours=_full_hours(facts, reasons),
        differential_hours=_differential_hours(facts, reasons),
        incremental_hours=_incremental_hours(facts, reasons),
        stream_logs=_stream(facts, reasons),
    )
    restore, backup = restore_time(facts, schedule), _backup_time(facts)
    figures = _figures(facts)
    return Advice(
        name=facts.name,
        schedule=schedule,
        reasons=reasons,
        restore=restore,
        backup=backup,
        costs=costs(facts, schedule),
        currency=facts.currency,
        guess=any(figure.guess for figure in figures.values()),
        figures=figures,
        warnings=_warnings(facts, restore, backup),
    )


def _figures(facts: Facts) -> dict[str, Figure]:
    return {
        name: getattr(facts, name)
        for name in (
            "size", "stored_share", "changed_per_day", "log_per_day", "backup_rate", "restore_rate",
            "replay_rate", "growth_per_day",
        )
    }  # fmt: skip


def _full_hours(facts: Facts, reasons: list[str]) -> int:
    if facts.size.value < _SMALL and _backup_time(facts).seconds <= (facts.window_seconds or 3600):
        reasons.append(
            f"A full backup every day: {size(facts.size.value)} are read in"
            f" {span(_backup_time(facts).seconds)}, and a restore is a single step."
        )
        return _DAY_HOURS
    reasons.append(
        f"A full backup every week: reading {size(facts.size.value)} takes"
        f" {span(_backup_time(facts).seconds)}, and what changes in between is taken by smaller ones."
    )
    return 7 * _DAY_HOURS


def _differential_hours(facts: Facts, reasons: list[str]) -> int | None:
    """A differential is worth it while it stays well below a full, and keeps chains short."""
    if facts.size.value < _SMALL:
        return None
    after_a_week = _differential_size(facts, 7)
    share = after_a_week / facts.size.value
    if share <= 0.6:
        reasons.append(
            f"A differential one every day: on the last day of the week it holds {size(after_a_week)}"
            f" ({share:.0%} of the database), and a restore reads two backups instead of seven."
        )
        return _DAY_HOURS
    reasons.append(
        f"No differential ones: by the end of the week they would hold {share:.0%} of the database;"
        " incremental ones hold only what is new."
    )
    return None


def _incremental_hours(facts: Facts, reasons: list[str]) -> int | None:
    """As often as keeps the replay of log within half of the RTO; without log, within the RPO."""
    per_second = facts.log_per_day.value / 86_400
    if facts.rpo_seconds >= _DAY_HOURS * 3600:
        return None
    if per_second <= 0:
        reasons.append("No incremental ones: hardly anything changes in a day.")
        return None
    affordable = facts.rto_seconds / 2 * facts.replay_rate.value / per_second / 3600
    hours = next((step for step in (12, 6, 4, 2, 1) if step <= affordable), 1)
    if affordable >= _DAY_HOURS:
        reasons.append(
            f"No incremental ones: replaying the log of a whole day takes"
            f" {span(facts.log_per_day.value / facts.replay_rate.value)}, well within the RTO."
        )
        return None
    every = "every hour" if hours == 1 else f"every {hours} hours"
    replay = span(hours * 3600 * per_second / facts.replay_rate.value)
    reasons.append(
        f"An incremental one {every}: the log since the last backup is then replayed in {replay};"
        f" half of the RTO of {span(facts.rto_seconds)} is left for that."
    )
    return hours


def _stream(facts: Facts, reasons: list[str]) -> bool:
    if facts.rpo_seconds < _DAY_HOURS * 3600:
        reasons.append(
            f"The log is streamed: only that loses less than the RPO of {span(facts.rpo_seconds)}."
        )
        return True
    reasons.append(f"The log need not be streamed: backups alone meet the RPO of {span(facts.rpo_seconds)}.")
    return False


def _differential_size(facts: Facts, days: float) -> float:
    """Pages that changed at least once: what changes again counts once, so it stays below the whole.

    With changes spread evenly, a share `c` a day leaves `(1 - c) ** days` untouched.
    """
    share = min(1.0, facts.changed_per_day.value / facts.size.value)
    untouched: float = (1 - share) ** days
    return facts.size.value * (1 - untouched)


def restore_time(facts: Facts, schedule: Schedule) -> Estimate:
    """The worst of a period: right before the next full backup, chain and log at their longest."""
    days = schedule.full_hours / 24
    chain = 0.0
    if schedule.differential_hours:
        chain += _differential_size(facts, max(0.0, days - schedule.differential_hours / 24))
    if schedule.incremental_hours:
        since = schedule.differential_hours or schedule.full_hours
        chain += min(facts.size.value, facts.changed_per_day.value * since / 24)
    steps = [
        hours
        for hours in (schedule.full_hours, schedule.differential_hours, schedule.incremental_hours)
        if hours
    ]
    log = facts.log_per_day.value * min(steps) / 24 if schedule.stream_logs else 0.0
    seconds = (facts.size.value + chain) / facts.restore_rate.value + log / facts.replay_rate.value
    return Estimate(
        seconds=seconds,
        detail=(
            f"{size(facts.size.value)} and {size(chain)} of changes at {size(facts.restore_rate.value)}/s"
            f" ({facts.restore_rate.source}), then {size(log)} of log at {size(facts.replay_rate.value)}/s"
            f" ({facts.replay_rate.source})."
        ),
        guess=any(
            one.guess
            for one in (facts.restore_rate, facts.replay_rate, facts.changed_per_day, facts.log_per_day)
        ),
    )


def _backup_time(facts: Facts) -> Estimate:
    return Estimate(
        seconds=facts.size.value / facts.backup_rate.value,
        detail=f"{size(facts.size.value)} at {size(facts.backup_rate.value)}/s ({facts.backup_rate.source}).",
        guess=facts.backup_rate.guess,
    )


def costs(facts: Facts, schedule: Schedule) -> list[Cost]:
    """Now and later, the database growing as it did."""
    found = []
    for months in _MONTHS:
        factor = max(0.0, facts.size.value + facts.growth_per_day.value * 30 * months) / facts.size.value
        stored = _stored_now(facts, schedule) * factor
        per_month = stored / GB * facts.price if facts.price is not None else None
        found.append(Cost(months, stored, per_month))
    return found


def _stored_now(facts: Facts, schedule: Schedule) -> float:
    """What retention keeps, compressed: full backups, the smaller ones of its days, the window of log."""
    daily = facts.keep_days if schedule.full_hours == _DAY_HOURS else 0
    fulls = (facts.keep_full + daily) * facts.size.value
    days = schedule.full_hours / 24
    smaller = 0.0
    if schedule.differential_hours:
        count = int(schedule.full_hours / schedule.differential_hours)
        smaller += sum(
            _differential_size(facts, day * schedule.differential_hours / 24) for day in range(1, count)
        )
    if schedule.incremental_hours:
        smaller += facts.changed_per_day.value * days
    periods = max(1.0, facts.keep_days / days)
    log = facts.log_per_day.value * facts.log_window_days if schedule.stream_logs else 0.0
    return (fulls + smaller * periods + log) * facts.stored_share.value


def _warnings(facts: Facts, restore: Estimate, backup: Estimate) -> list[str]:
    found = []
    if restore.seconds > facts.rto_seconds:
        found.append(
            f"No schedule meets the RTO of {span(facts.rto_seconds)}: the full backup alone is restored in"
            f" {span(facts.size.value / facts.restore_rate.value)}. A standby or a faster place helps."
        )
    if facts.window_seconds is not None and backup.seconds > facts.window_seconds:
        found.append(
            f"A full backup takes {span(backup.seconds)}; the backup window is {span(facts.window_seconds)}."
        )
    if facts.log_window_days == 0 and facts.rpo_seconds < _DAY_HOURS * 3600:
        found.append("The policy keeps no log, so no instant between two backups could be restored.")
    return found


def size(count: float) -> str:
    """`1.2 GB`: powers of 1000, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """`3 d`, `2.5 h`, `4 min`, `12 s`: one unit, as exact as an estimate is."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (unit == "min" and seconds >= 90):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
