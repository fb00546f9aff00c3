"""What stays and what goes: a pure decision, with every reason in words.

A backup stays while at least one of these says so:

    young           everything of the last days (two) stays, proved or not
    daily … yearly  it represents its day, week, month or year (`retention_calendar` says which one does)
    restore_tested  it is one of the newest N restore-tested ones
    window          it lies in the recovery window, or the window begins with it
    last_good       it is the newest good backup: the last good copy never goes
    unreplaced      it is not proved, or damaged, and no newer good backup exists
    hold            a legal hold covers it
    no_policy       nobody has said how long anything stays
    parent          a backup that stays needs it

Only good backups stand for a rule: proved by reading back or by a restore test, and so is every backup they
depend on. So a failed or damaged one never takes the place of a good one. A parent never goes before its
dependents: a chain goes as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from dataprotect.engine.retention_calendar import Calendar, all_days_reason, calendar_reasons, ordered
from dataprotect.engine.retention_logs import Claim, log_verdicts
from dataprotect.engine.retention_model import (
    PROVED,
    BackupFacts,
    Decision,
    HoldFacts,
    LogFacts,
    Reason,
    RetentionRules,
    Verdict,
    dated_end,
)

__all__ = [
    "BackupFacts", "Decision", "HoldFacts", "LogFacts", "Reason", "RetentionRules", "Verdict", "decide",
]  # fmt: skip

Reasons = dict[str, list[Reason]]


def decide(
    *,
    rules: RetentionRules,
    backups: Iterable[BackupFacts],
    at: datetime,
    holds: Iterable[HoldFacts] = (),
    logs: Iterable[LogFacts] = (),
    former_systems: Collection[str] = (),
) -> Decision:
    """Verdicts on all backups and log objects of one instance at the instant `at`.

    `backups` are all that are in repositories, also those of a cluster that was there before;
    `former_systems` are clusters whose backups may all be gone: of others the first may be under way. Raises
    ValueError for two with one id, ZoneInfoNotFoundError for an unknown zone.
    """
    known = ordered(backups)
    by_id = {backup.backup_id: backup for backup in known}
    if len(by_id) != len(known):
        raise ValueError("two backups have one id")
    active = [hold for hold in holds if hold.until is None or hold.until > at]
    sound = _good(known, by_id)
    claims = window_claims(rules, sound, at)
    keeps, lacks = _own_reasons(rules, known, sound, active, claims, at)
    _add_parents(keeps, known, by_id)
    verdicts = tuple(_verdict(backup, keeps, lacks) for backup in known)
    return Decision(
        at=at,
        backups=verdicts,
        logs=log_verdicts(
            logs,
            known,
            verdicts,
            claims,
            active,
            may_go=bool(sound) and not rules.keep_everything,
            former_systems=former_systems,
        ),
        good=frozenset(backup.backup_id for backup in sound),
    )


def window_claims(rules: RetentionRules, sound: Sequence[BackupFacts], at: datetime) -> list[Claim]:
    """Good backups from which the instants of the recovery window are reached, oldest first.

    These are all inside the window and the newest one before it. Each serves until the next one is as old as
    the window is long; how long the newest serves, nobody can say yet. Without a window the newest serves
    alone: a restore to the latest instant needs none.
    """
    length = timedelta(days=max(0, rules.log_window_days))
    wanted = [backup for backup in sound if not backup.condemned]
    before = [backup for backup in wanted if backup.stopped_at <= at - length]
    serving = wanted[max(0, len(before) - 1) :]
    ends = [following.stopped_at + length for following in serving[1:]]
    return [Claim(backup, until) for backup, until in zip(serving, [*ends, None], strict=False)]


def _good(known: Sequence[BackupFacts], by_id: Mapping[str, BackupFacts]) -> list[BackupFacts]:
    """Those that are proved, as are all that they need, all of which are here."""
    dependents = _dependents(known, by_id)
    spreading = [
        backup.backup_id
        for backup in known
        if backup.proof not in PROVED or any(parent not in by_id for parent in backup.parents)
    ]
    bad = set(spreading)
    while spreading:
        reached = [name for name in dependents.get(spreading.pop(), []) if name not in bad]
        bad.update(reached)
        spreading += reached
    return [backup for backup in known if backup.backup_id not in bad]


def _dependents(known: Sequence[BackupFacts], by_id: Mapping[str, BackupFacts]) -> dict[str, list[str]]:
    """Who needs whom, oldest first."""
    found: dict[str, list[str]] = {}
    for backup in known:
        for parent in set(backup.parents) & by_id.keys():
            found.setdefault(parent, []).append(backup.backup_id)
    return found


def _own_reasons(
    rules: RetentionRules,
    known: Sequence[BackupFacts],
    sound: Sequence[BackupFacts],
    holds: Sequence[HoldFacts],
    claims: Sequence[Claim],
    at: datetime,
) -> tuple[Reasons, Reasons]:
    """What keeps each backup for its own sake, and why other rules do not."""
    calendar = Calendar(rules.timezone, at)
    wanted = [backup for backup in sound if not backup.condemned]
    keeps, lacks = calendar_reasons(rules, wanted, calendar)
    for backup in known:
        mine = keeps.setdefault(backup.backup_id, [])
        if backup.condemned:
            lacks[backup.backup_id] = [Reason("condemned", "Its deletion was asked for and approved.")]
        elif rules.keep_everything:
            mine.append(Reason("no_policy", "No policy says how long backups stay, so all of them do."))
        elif young := all_days_reason(rules, backup, calendar):
            mine.append(young)
        mine += [_hold_reason(hold) for hold in holds if hold.backup_id in (None, backup.backup_id)]
    _add_floors(rules, keeps, wanted or sound)
    _add_claims(rules, keeps, claims)
    _add_unreplaced(keeps, lacks, known, sound)
    return keeps, lacks


def _add_floors(rules: RetentionRules, keeps: Reasons, good: Sequence[BackupFacts]) -> None:
    """What no rule of the calendar and no deletion may go below."""
    if good:
        keeps[good[-1].backup_id].append(
            Reason("last_good", "It is the newest good backup, and the last good copy never goes.")
        )
    number = rules.minimum_restore_tested
    tested = [backup for backup in good if backup.proof == "restore_tested" and not backup.condemned]
    for backup in tested[-number:] if number > 0 else []:
        words = "the newest" if number == 1 else f"one of the {number} newest"
        keeps[backup.backup_id].append(Reason("restore_tested", f"Of the restore-tested ones it is {words}."))


def _add_claims(rules: RetentionRules, keeps: Reasons, claims: Sequence[Claim]) -> None:
    for claim in claims if rules.log_window_days > 0 else []:
        sentence = f"The recovery window of {rules.log_window_days} days is restored from it."
        keeps[claim.base.backup_id].append(Reason("window", sentence, claim.until))


def _add_unreplaced(
    keeps: Reasons, lacks: Reasons, known: Sequence[BackupFacts], sound: Sequence[BackupFacts]
) -> None:
    """What does not count may still be all there is, until something better came after it."""
    good = {backup.backup_id for backup in sound}
    newest = sound[-1].stopped_at if sound else None
    for backup in known:
        if backup.backup_id in good or backup.condemned:
            continue
        words = _not_good(backup)
        if newest is None or newest <= backup.stopped_at:
            sentence = f"{words}, but no newer good backup exists."
            keeps[backup.backup_id].append(Reason("unreplaced", sentence))
        else:
            lacks[backup.backup_id] = [Reason("not_good", f"{words}: it stands for no rule.")]


def _not_good(backup: BackupFacts) -> str:
    if backup.proof in PROVED:
        return "A backup that it depends on is damaged, unproved or gone"
    return {
        "unproved": "It was never read back",
        "damaged": "It is damaged",
        "missing": "Its seal is gone from the repository",
    }[backup.proof]


def _hold_reason(hold: HoldFacts) -> Reason:
    end = "" if hold.until is None else f" until {hold.until:%Y-%m-%d %H:%M} UTC"
    scope = "" if hold.backup_id else " on the whole instance"
    return Reason(
        "hold", f"Legal hold {hold.matter}{scope}{end}, owned by {hold.owner}: {hold.reason}", hold.until
    )


def _add_parents(keeps: Reasons, known: Sequence[BackupFacts], by_id: Mapping[str, BackupFacts]) -> None:
    """A parent of what stays, stays, for as long as its last dependent does."""
    dependents = _dependents(known, by_id)
    done: set[str] = set()
    for backup in known:
        _add_from_dependents(backup.backup_id, keeps, dependents, done)


def _add_from_dependents(
    start: str, keeps: Reasons, dependents: Mapping[str, list[str]], done: set[str]
) -> None:
    """Children first, without recursion: a chain of hourly incrementals may be long."""
    stack = [(start, False)]
    while stack:
        name, children_done = stack.pop()
        if children_done:
            kept = [child for child in dependents.get(name, []) if keeps[child]]
            keeps[name] += _parent_reason(kept, keeps)
        elif name not in done:
            done.add(name)
            stack.append((name, True))
            stack += [(child, False) for child in dependents.get(name, [])]


def _parent_reason(kept: list[str], keeps: Reasons) -> list[Reason]:
    if not kept:
        return []
    others = "" if len(kept) == 1 else f" and {len(kept) - 1} more"
    verb = "needs" if len(kept) == 1 else "need"
    ends = tuple(Reason("parent", "", dated_end(tuple(keeps[child]))) for child in kept)
    return [Reason("parent", f"{kept[-1]}{others} {verb} it.", dated_end(ends))]


def _verdict(backup: BackupFacts, keeps: Reasons, lacks: Reasons) -> Verdict:
    reasons = tuple(keeps[backup.backup_id])
    if reasons:
        return Verdict(backup.backup_id, True, reasons, dated_end(reasons))
    return Verdict(backup.backup_id, False, tuple(lacks[backup.backup_id]))
