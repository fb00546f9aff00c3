"""Small histories to compute windows from. One position is one MiB, one unit of time a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dataprotect.engine.timeline_model import (
    BackupPoint,
    Beat,
    Facts,
    KnownGap,
    Lineage,
    Stretch,
    Switch,
    Target,
)

MIB = 1 << 20
SEGMENT = 16 * MIB
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
CLUSTER = "7000000000000000001"
LOG = Lineage("20261122T110000Z-aaaa", CLUSTER, NOON - timedelta(hours=1))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def lsn_at(mib: float) -> int:
    return int(mib * MIB)


def backup(name: str, stop: float, seconds: float | None = None, **changes: object) -> BackupPoint:
    """Started 4 MiB before `stop`; its own log reaches 1 MiB beyond."""
    values = {
        "backup_id": name, "type": "full", "good": True, "system_identifier": CLUSTER, "timeline": 1,
        "start_position": lsn_at(stop - 4), "stop_position": lsn_at(stop), "own_end": lsn_at(stop + 1),
        "stopped_at": at(stop if seconds is None else seconds),
    }  # fmt: skip
    return BackupPoint(**(values | changes))  # type: ignore[arg-type]


def stretch(start: float, end: float, timeline: int = 1, lineage: Lineage = LOG) -> Stretch:
    return Stretch(lineage.name, timeline, lsn_at(start), lsn_at(end))


def beats(start: float, end: float, timeline: int = 1, every: int = 5) -> tuple[Beat, ...]:
    """The server writes one MiB a second, so the clock reads what the position says."""
    return tuple(
        Beat(at(second), lsn_at(second), timeline)
        for second in range(-(-int(start) // every) * every, int(end) + 1, every)
    )


def facts(**parts: object) -> Facts:
    return Facts(**({"lineages": (LOG,), "segment_size": SEGMENT} | parts))  # type: ignore[arg-type]


def forked(left_at: float, timeline: int = 2) -> dict[tuple[str, int], tuple[Switch, ...]]:
    return {(LOG.name, timeline): (Switch(1, lsn_at(left_at)),)}


def when(seconds: float) -> Target:
    return Target("time", at=at(seconds))


def where(mib: float) -> Target:
    return Target("lsn", position=lsn_at(mib))


def lost(start: float, end: float, **changes: object) -> KnownGap:
    values = {"timeline": 1, "start": lsn_at(start), "end": lsn_at(end), "code": "logs.wal_removed",
              "reason": "The server had removed its log before it was collected."}  # fmt: skip
    return KnownGap(**(values | changes))  # type: ignore[arg-type]
