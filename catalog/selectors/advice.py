"""What the adviser is asked with: measured where something was measured, else a guess that says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from catalog.models import Backup, Instance, Policy, Verification
from catalog.selectors.visible import Viewer, instance_get
from catalog.states import GOOD_BACKUP, BackupType, VerificationLevel
from dataprotect.core import clock
from dataprotect.engine.adviser import Advice, Facts, Figure, advise
from dataprotect.engine.databases.postgresql import lsn

_LOOKED_BACK = timedelta(days=90)
_LONG_ENOUGH = timedelta(minutes=10)
"""A rate over less than this says nothing about a day."""

_MOST = 200
_GUESSED_RATE = 100e6
_GUESSED_REPLAY = 50e6
_ENOUGH_LOG = 128 << 20
"""Below this a clone is busy with starting, not with replaying."""


def advice(*, user: Viewer, name: str, now: datetime | None = None) -> Advice:
    """The adviser's answer for one instance, in six queries. Raises `instance.not_found`, `input.size`."""
    instance = instance_get(user=user, name=name)
    return advise(advice_facts(instance, now or clock.now()))


def advice_facts(instance: Instance, now: datetime) -> Facts:
    """`instance` with tier, repository and policy."""
    recent = instance.backups.filter(state__in=GOOD_BACKUP, stopped_at__gte=now - _LOOKED_BACK)
    backups = list(recent.order_by("-stopped_at")[:_MOST])[::-1]
    fulls = [row for row in backups if row.type == BackupType.FULL]
    size, share = _size(instance, fulls), _share(fulls)
    log = _log(backups, size)
    policy = instance.policy or Policy()
    return Facts(
        name=instance.name,
        size=size,
        stored_share=share,
        changed_per_day=_changed(backups, share, log, size),
        log_per_day=log,
        backup_rate=_backup_rate(fulls),
        restore_rate=_restore_rate(instance),
        replay_rate=_replay_rate(instance),
        growth_per_day=_growth(fulls),
        rto_seconds=instance.tier.rto_seconds,
        rpo_seconds=instance.tier.rpo_seconds,
        window_seconds=_window(policy),
        keep_full=_kept_fulls(policy),
        keep_days=policy.keep_daily_days,
        log_window_days=policy.log_window_days,
        price=float(price) if (price := instance.repository.price_per_gb_month) is not None else None,
        currency=instance.repository.price_currency,
    )


def _size(instance: Instance, fulls: Sequence[Backup]) -> Figure:
    if fulls:
        return Figure(fulls[-1].bytes_read, f"read by the full backup {fulls[-1].backup_id}")
    if instance.size_bytes:
        return Figure(instance.size_bytes, "asked of the server at the last probe")
    return Figure(0, "not known", guess=True)


def _share(fulls: Sequence[Backup]) -> Figure:
    if fulls and fulls[-1].bytes_read:
        newest = fulls[-1]
        return Figure(newest.bytes_stored / newest.bytes_read, f"stored by {newest.backup_id}")
    return Figure(0.4, "a guess: nothing was stored yet", guess=True)


def _log(backups: Sequence[Backup], size: Figure) -> Figure:
    """How far the server's position went from the first to the last backup of one timeline."""
    same = [
        row
        for row in backups
        if (row.system_identifier, row.timeline) == (backups[-1].system_identifier, backups[-1].timeline)
    ]
    if len(same) >= 2 and (length := same[-1].stopped_at - same[0].stopped_at) >= _LONG_ENOUGH:
        written = max(0, _position(same[-1]) - _position(same[0]))
        source = f"the log's positions of {len(same)} backups over {_length(length)}"
        return Figure(written * 86_400 / length.total_seconds(), source)
    return Figure(size.value * 0.05, "a guess: a twentieth of the database in a day", guess=True)


def _changed(backups: Sequence[Backup], share: Figure, log: Figure, size: Figure) -> Figure:
    """What incremental backups stored, over the time that each looked back on."""
    looked = [
        (row.bytes_stored, row.stopped_at - before.stopped_at)
        for before, row in pairwise(backups)
        if row.type == BackupType.INCREMENTAL
    ]
    length = sum((span for _, span in looked), timedelta())
    if length >= _LONG_ENOUGH and share.value > 0:
        per_day = sum(stored for stored, _ in looked) / share.value * 86_400 / length.total_seconds()
        return Figure(min(size.value, per_day), f"what {len(looked)} incremental backups stored")
    if not log.guess:
        return Figure(min(size.value, log.value), "at most as much as the log: a guess", guess=True)
    return Figure(size.value * 0.05, "a guess: a twentieth of the database in a day", guess=True)


def _backup_rate(fulls: Sequence[Backup]) -> Figure:
    if fulls and fulls[-1].seconds > 0 and fulls[-1].bytes_read:
        return Figure(fulls[-1].bytes_read / fulls[-1].seconds, f"measured by {fulls[-1].backup_id}")
    return Figure(_GUESSED_RATE, "a guess: no full backup was measured", guess=True)


def _restore_rate(instance: Instance) -> Figure:
    tests = Verification.objects.filter(
        backup__instance=instance, level=VerificationLevel.RESTORE, passed=True
    ).order_by("-finished_at")
    for test in tests[:5]:
        seconds = float(test.timings.get("fetch", 0))
        if seconds > 0 and test.bytes_read:
            source = f"measured by the restore test of {test.finished_at:%Y-%m-%d}"
            return Figure(test.bytes_read / seconds, source)
    return Figure(_GUESSED_RATE, "a guess: no restore was measured", guess=True)


def _replay_rate(instance: Instance) -> Figure:
    """Of the newest test that replayed much. The start of the server counts as well: it is never too good."""
    test = (
        Verification.objects.filter(
            backup__instance=instance, passed=True, bytes_replayed__gte=_ENOUGH_LOG, timings__recovery__gt=0
        )
        .order_by("-finished_at")
        .first()
    )
    if test is None:
        return Figure(_GUESSED_REPLAY, "a guess: no test replayed enough log to measure it", guess=True)
    source = f"measured by the restore test of {test.finished_at:%Y-%m-%d}"
    return Figure(test.bytes_replayed / float(test.timings["recovery"]), source)


def _growth(fulls: Sequence[Backup]) -> Figure:
    """From the first to the last full backup of the last 90 days; a day apart at least."""
    if len(fulls) >= 2 and (length := fulls[-1].stopped_at - fulls[0].stopped_at) >= timedelta(days=1):
        grown = fulls[-1].bytes_read - fulls[0].bytes_read
        return Figure(
            grown * 86_400 / length.total_seconds(), f"{len(fulls)} full backups over {_length(length)}"
        )
    return Figure(0, "a guess: too few full backups to see it grow", guess=True)


def _window(policy: Policy) -> float | None:
    start, end = policy.backup_window_start, policy.backup_window_end
    if start is None or end is None:
        return None
    minutes = (end.hour * 60 + end.minute) - (start.hour * 60 + start.minute)
    return 60.0 * (minutes % (24 * 60))


def _kept_fulls(policy: Policy) -> int:
    """Weekly, monthly and annual ones that do not stand for each other."""
    weekly = policy.keep_weekly_days // 7
    monthly = max(0, policy.keep_monthly_days - policy.keep_weekly_days) // 30
    yearly = max(0, policy.keep_yearly_days - policy.keep_monthly_days) // 365
    return max(1, weekly + monthly + yearly)


def _position(row: Backup) -> int:
    try:
        return lsn.parse(row.stop_position)
    except ValueError:
        return 0


def _length(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} hours"
