"""Installations whose retention was decided by hand once; the golden files say what the decision was.

`python -m tests.engine.retention.scenarios` writes the files anew: read the difference before you commit it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dataprotect.engine.retention import BackupFacts, Decision, HoldFacts, LogFacts, RetentionRules, decide

GOLDEN = Path(__file__).with_name("golden")
DAY = timedelta(days=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SEGMENT = 16 << 20
DEFAULTS = RetentionRules()


@dataclass(frozen=True)
class Scenario:
    about: str
    backups: Sequence[BackupFacts]
    rules: RetentionRules = DEFAULTS
    holds: Sequence[HoldFacts] = ()
    logs: Sequence[LogFacts] = ()
    at: datetime = NOON
    brief: bool = False
    """The golden file leaves out what goes."""

    def decision(self) -> Decision:
        return decide(
            rules=self.rules,
            backups=self.backups,
            holds=self.holds,
            logs=self.logs,
            at=self.at,
            former_systems={"former"},
        )


def backup(
    name: str, stopped_at: datetime, proof: str = "checked", parents: Sequence[str] = (), **more: object
) -> BackupFacts:
    """Its type is the first word of its name; a full has no parents, others the ones given."""
    kind = {"f": "full", "d": "differential", "i": "incremental"}[name[0]]
    return BackupFacts(name, kind, tuple(parents), stopped_at, proof, **more)  # type: ignore[arg-type]


def daily_fulls(count: int, end: datetime = NOON) -> list[BackupFacts]:
    """One full each midnight (UTC) plus 30 minutes, the newest on the day of `end`."""
    first = end.replace(hour=0, minute=30) - (count - 1) * DAY
    return [backup(f"f-{first + n * DAY:%Y%m%d}", first + n * DAY) for n in range(count)]


def weekly_full_daily_incremental(weeks: int) -> list[BackupFacts]:
    """Full each Sunday 01:00, an incremental on every other day, on all before it back to the full."""
    found: list[BackupFacts] = []
    sunday = datetime(2026, 11, 22, 1, tzinfo=UTC) - weeks * 7 * DAY
    for week in range(weeks + 1):
        chain: list[str] = []
        for day in range(7):
            at = sunday + (week * 7 + day) * DAY
            if at > NOON:
                break
            name = f"{'i' if day else 'f'}-{at:%Y%m%d}"
            found.append(backup(name, at, parents=chain))
            chain = [*chain, name]
    return found


def ten_years() -> Scenario:
    return Scenario("One full backup a day for ten years, the default rules.", daily_fulls(3652), brief=True)


def chains() -> Scenario:
    return Scenario(
        "Full on Sunday, incrementals on weekdays, for six weeks: weeks go as whole chains.",
        weekly_full_daily_incremental(6),
        RetentionRules(keep_daily_days=14, keep_weekly_days=28, keep_monthly_days=0, keep_yearly_days=0),
    )


def failures() -> Scenario:
    days = daily_fulls(40)
    bad = [replace(item, proof="damaged") for item in days[-10:]]
    return Scenario(
        "Forty daily fulls, the last ten of which are damaged: none of them stands for anything.",
        [*days[:-10], *bad],
        RetentionRules(keep_daily_days=7, keep_weekly_days=0, keep_monthly_days=0, keep_yearly_days=0),
    )


def all_too_old() -> Scenario:
    old = [
        backup(f"f-{n}", NOON - (4000 - n) * DAY, "restore_tested" if n < 4 else "checked") for n in range(6)
    ]
    return Scenario("Everything is older than every rule: the last good copy and two tested ones stay.", old)


def broken_chain() -> Scenario:
    return Scenario(
        "The newest chain stands on a damaged full, so nothing of it counts: an older full is last good.",
        [
            backup("f-good", NOON - 400 * DAY),
            backup("f-bad", NOON - 30 * DAY, "damaged"),
            backup("i-on-bad", NOON - 29 * DAY, "restore_tested", ["f-bad"]),
            backup("i-lost-parent", NOON - 28 * DAY, "checked", ["f-gone"]),
        ],
    )


def held() -> Scenario:
    return Scenario(
        "Holds: on an incremental, so its parents stay; one that ended; one with an end.",
        [
            *weekly_full_daily_incremental(8),
            backup("f-old", NOON - 3000 * DAY),
            backup("f-older", NOON - 3100 * DAY),
        ],
        RetentionRules(keep_daily_days=7, keep_weekly_days=0, keep_monthly_days=0, keep_yearly_days=0),
        holds=[
            HoldFacts("M-1", "Tax audit.", "Legal", "i-20261001"),
            HoldFacts("M-2", "Over since yesterday.", "Legal", "f-older", NOON - DAY),
            HoldFacts("M-3", "Until spring.", "Legal", "f-old", datetime(2027, 3, 1, tzinfo=UTC)),
        ],
    )


def condemned() -> Scenario:
    days = daily_fulls(4)
    return Scenario(
        "Deletion was approved for all four, for a parent, and for a backup under hold.",
        [
            *[replace(item, condemned=True) for item in days],
            backup("f-parent", NOON - 300 * DAY, condemned=True),
            backup("i-child", NOON - 299 * DAY, parents=["f-parent"]),
            backup("f-held", NOON - 2000 * DAY, condemned=True),
        ],
        holds=[HoldFacts("M-1", "Court order.", "Legal", "f-held")],
    )


def zones() -> Scenario:
    berlin = [
        backup("f-before-midnight", datetime(2026, 11, 14, 22, 59, tzinfo=UTC)),
        backup("f-after-midnight", datetime(2026, 11, 14, 23, 1, tzinfo=UTC)),
        backup("f-summer-time-ended", datetime(2026, 10, 24, 22, 30, tzinfo=UTC)),
        backup("f-now", NOON),
    ]
    return Scenario(
        "Days are those of Europe/Berlin: two backups two minutes apart represent two days.",
        berlin,
        RetentionRules(
            keep_daily_days=30, keep_weekly_days=0, keep_monthly_days=0, keep_yearly_days=0,
            log_window_days=0, minimum_restore_tested=0, timezone="Europe/Berlin",
        ),
    )  # fmt: skip


def logs() -> Scenario:
    """Segment n runs from n to n + 1 segments; a base is taken at 10, 20, 30, 40 and reaches one further."""
    bases = [
        backup(
            f"f-{n}", NOON - (50 - n) * DAY / 2, start_position=n * SEGMENT, stop_position=(n + 1) * SEGMENT,
            system_identifier="1",
        )
        for n in (10, 20, 30, 40)
    ]  # fmt: skip
    segments = [LogFacts(f"{n:02d}", "wal", 1, "1", n * SEGMENT, (n + 1) * SEGMENT) for n in range(8, 45)]
    others = [
        LogFacts("after-promotion", "wal", 2, "1", 35 * SEGMENT, 36 * SEGMENT),
        LogFacts("history", "history", 2, "1"),
        LogFacts("cluster-without-a-base-yet", "wal", 1, "2", 40 * SEGMENT, 41 * SEGMENT),
        LogFacts("former-cluster", "wal", 1, "former", 40 * SEGMENT, 41 * SEGMENT),
        LogFacts("former-history", "history", 2, "former"),
    ]
    rules = RetentionRules(log_window_days=6)
    return Scenario(
        "A recovery window of six days: it begins with the base before it.",
        bases,
        rules,
        (),
        [*segments, *others],
    )


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    function.__name__: function
    for function in (
        ten_years, chains, failures, all_too_old, broken_chain, held, condemned, zones, logs,
    )
}  # fmt: skip


def written(scenario: Scenario) -> str:
    """The golden form: what stays with its reasons and its end, then what goes with its reasons."""
    decision = scenario.decision()
    lines = [scenario.about, "", f"at {decision.at:%Y-%m-%d %H:%M}", ""]
    if scenario.brief:
        lines += [f"{len(decision.expired)} of {len(decision.backups)} go.", ""]
    for verdict in (*decision.backups, *decision.logs):
        if scenario.brief and not verdict.keep:
            continue
        end = f"goes on {verdict.goes_on:%Y-%m-%d %H:%M}" if verdict.goes_on else "no end known"
        lines.append(f"{verdict.name}: {'keep, ' + end if verdict.keep else 'EXPIRE'}")
        lines += [f"    {sentence}" for sentence in verdict.sentences]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name, make in SCENARIOS.items():
        (GOLDEN / f"{name}.txt").write_text(written(make()))
