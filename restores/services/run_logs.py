"""After a restore nobody may find out by accident that the log is not stored any more."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalog.models import Instance, LogStretch
from catalog.selectors.streaming import streaming_instances
from catalog.services.opening import repository_open, source_of
from catalog.services.recovery_choose import recovery_choose
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.logs import LogEnd, log_end
from dataprotect.engine.timeline_model import Choice, Target
from dataprotect.ops import home
from dataprotect.ops.context import JobContext
from dataprotect.storage.backends.base import ObjectMissing
from dataprotect.storage.logs import LogReader, layout

LONGEST = 180.0
_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class StreamingProof:
    """The server wrote a record that ends at `position` at the instant `written_at` of its clock. The
    repository holds it in `segment`, read back whole, `seconds` later; unbroken log leads there from `base`.
    """

    written_at: datetime
    timeline: int
    position: str
    segment: str
    base: str
    seconds: float


def wanted(instance: Instance) -> bool:
    """Does the instance, or its policy, want its log streamed?"""
    return streaming_instances().filter(pk=instance.pk).exists()


def prove_streaming(context: JobContext, instance: Instance) -> StreamingProof:
    """Have the server write, wait until that is stored, read it back, and ask what leads there.

    Raises `restore.logs_not_stored` after three minutes, DamagedObject, `restore.logs_unconnected`, and
    connection errors.
    """
    began = time.monotonic()
    end = log_end(instance.engine, source_of(instance))
    while time.monotonic() - began < LONGEST:
        context.checkpoint()
        if _is_told(instance, end) and (segment := _read_back(instance, end)):
            seconds = time.monotonic() - began
            base = _leads_to(instance, end).base.backup_id
            return StreamingProof(end.at, end.timeline, lsn.text(end.position), segment, base, seconds)
        time.sleep(_LOOK_EVERY)
    raise ForeseenError(
        "restore.logs_not_stored",
        f"What {instance.name} wrote at {lsn.text(end.position)} of timeline {end.timeline} has not reached "
        f"the repository within {LONGEST:.0f} s.",
        "The restored data is in use. Look at the logs page, and start collect_logs where it does not run.",
    )


def _is_told(instance: Instance, end: LogEnd) -> bool:
    """By a row: only a reason to look at what is stored, which is a long list."""
    rows = LogStretch.objects.filter(instance=instance, timeline=end.timeline, end_at__gte=end.at)
    return any(lsn.parse(row.end_position) >= end.position for row in rows)


def _read_back(instance: Instance, end: LogEnd) -> str:
    """The segment, authenticated and decrypted from its beginning to the position; "" when it is not there.

    A heartbeat of the same clock must have come with it: old log of a server that was put back bears the same
    names.
    """
    reader = LogReader(repository_open(instance.repository), instance.identifier)
    newest = {stream.lineage for stream in reader.streams()[-1:]}
    behind = [
        item
        for item in reader.objects()
        if item.stream.lineage in newest and item.timeline == end.timeline and item.end >= end.position
    ]
    try:
        beats = [beat.at for item in behind for beat in reader.header(item).heartbeats]
    except ObjectMissing:
        return ""  # slices went into their complete segment meanwhile
    if not any(at >= end.at for at in beats):
        return ""
    segment = layout.segment_name(end.timeline, end.position - 1, end.segment_size)
    with tempfile.TemporaryDirectory(dir=home.spool(), prefix="proof-") as folder:
        stored = reader.fetch(segment, Path(folder) / segment, lineage=behind[0].stream.lineage)
    begin = layout.segment_start(segment, end.segment_size)
    return segment if begin + stored >= end.position else ""


def _leads_to(instance: Instance, end: LogEnd) -> Choice:
    """By what the repository holds. Raises `restore.logs_unconnected`."""
    try:
        choice = recovery_choose(instance=instance, target=Target("lsn", position=end.position))
    except ForeseenError as error:
        if not error.code.startswith("target."):
            raise
        raise _unconnected(instance, error.message) from None
    if choice.line.timeline != end.timeline:
        raise _unconnected(
            instance, f"It is stored as timeline {choice.line.timeline}, and the server is on {end.timeline}."
        )
    return choice


def _unconnected(instance: Instance, why: str) -> ForeseenError:
    return ForeseenError(
        "restore.logs_unconnected",
        f"The log of {instance.name} is stored, but no good backup leads to its end. {why}",
        "The restored data is in use. Take a full backup: what is written from then on can be restored.",
    )
