"""Log that streams, log that broke, and what a loss would have cost over the day."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from catalog.models import Backup, Heartbeat, Instance, LogCollector, LogGap, LogStretch, RpoSample

MIB = 1 << 20


def position(number: int) -> str:
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def stretch(of: Instance, start: datetime, end: datetime, first: int, last: int) -> None:
    LogStretch.objects.create(
        instance=of, repository=of.repository, lineage="stream-1",
        system_identifier=of.system_identifier, timeline=3, start_position=position(first),
        end_position=position(last), start_at=start, end_at=end, objects_count=412, bytes=(last - first) // 6,
    )  # fmt: skip
    hours = int((end - start).total_seconds() // 3600) or 1
    Heartbeat.objects.bulk_create(
        Heartbeat(
            instance=of, at=start + (end - start) * n / hours, timeline=3,
            position=position(first + (last - first) * n // hours),
        )
        for n in range(hours + 1)
    )  # fmt: skip


def collector(of: Instance, now: datetime, **more: object) -> LogCollector:
    values = {
        "wanted": True,
        "lease_owner": "log-worker-1:2211",
        "lease_until": now + timedelta(minutes=5),
        "state": "streaming",
        "timeline": 3,
        "received_position": "8B/4A00060",
        "shipped_position": "8B/4A00000",
        "lag_bytes": 96,
        "lag_seconds": 3.1,
        "last_shipped_at": now - timedelta(seconds=3),
        "slot_name": f"dataprotect_{of.identifier}".replace("-", "_")[:63],
        "slot_status": "reserved",
        "slot_retained_bytes": 21 * MIB,
    }
    made: LogCollector = LogCollector.objects.create(instance=of, **(values | more))
    return made


def gap(of: Instance, now: datetime, **more: object) -> LogGap:
    values = {
        "timeline": 3,
        "from_position": "8A/F0000000",
        "to_position": "8A/F8000000",
        "from_at": now - timedelta(days=3, hours=2),
        "to_at": now - timedelta(days=3),
        "code": "logs.wal_removed",
        "reason": "The server removed log before it was received: the slot was over its limit.",
        "noticed_at": now - timedelta(days=3),
    }
    made: LogGap = LogGap.objects.create(instance=of, **(values | more))
    return made


def samples(of: Instance, now: datetime, worst: float) -> None:
    chance = random.Random(of.name)
    RpoSample.objects.bulk_create(
        RpoSample(
            instance=of, at=now - timedelta(minutes=20 * n), achieved_seconds=2.5,
            exposure_seconds=chance.uniform(2, 9) if n % 23 else worst,
        )
        for n in range(60)
    )  # fmt: skip


NEWEST, PER_SECOND = 0x8B04A00000, 3120


def log_at(now: datetime, at: datetime) -> int:
    """Where the log stood at that instant: it grows evenly."""
    return NEWEST - int(PER_SECOND * (now - at).total_seconds())


def positions(of: Instance, now: datetime) -> None:
    """Backups where the log was at their instants, with a differential and incrementals among them."""
    for number, row in enumerate(Backup.objects.filter(instance=of).order_by("-stopped_at")):
        at = log_at(now, row.stopped_at)
        row.type = ("full", "incremental", "incremental", "differential")[number % 4]
        row.start_position, row.stop_position = position(at - 4 * MIB), position(at)
        row.fingerprint_position = position(at + 512)
        row.save()


def streamed(of: Instance, now: datetime, start: datetime, end: datetime) -> None:
    stretch(of, start, end, log_at(now, start), log_at(now, end))


def logs(made: dict[str, Instance], now: datetime) -> None:
    """One that broke and was mended, one that nobody collects any more, one that is switched off."""
    orders, billing = made["orders"], made["billing"]
    broke, mended = now - timedelta(days=3, hours=9), now - timedelta(days=3)
    positions(orders, now)
    streamed(orders, now, now - timedelta(days=12), broke)
    streamed(orders, now, mended, now - timedelta(seconds=4))
    lost = {"from_position": position(log_at(now, broke)), "to_position": position(log_at(now, mended))}
    gap(orders, now, **lost, from_at=broke, to_at=mended)
    collector(orders, now)
    samples(orders, now, 410)
    streamed(billing, now, now - timedelta(days=6), now - timedelta(minutes=50))
    collector(billing, now, state="waiting", lease_until=now - timedelta(minutes=40), last_error="No answer.")
    collector(made["reporting"], now, wanted=False, state="off", slot_name="", lease_until=now)
