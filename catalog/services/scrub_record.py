"""Writing down what a part of a rereading found: the cursor, and at the end of a pass, or at damage, a
verification like any other, with the state it earns and the alert.
"""

from __future__ import annotations

from datetime import datetime

from catalog.models import ScrubProgress
from catalog.services.verification_run import verification_record
from catalog.states import VerificationLevel
from dataprotect.core import clock
from dataprotect.engine import model
from dataprotect.engine.verify import LISTED
from dataprotect.ops.context import JobContext
from dataprotect.storage.scrubbing import Scrubbed


def part_record(
    *, context: JobContext, progress: ScrubProgress, part: Scrubbed, at: datetime, seconds: float
) -> None:
    """In the caller's transaction, which holds the job. `at` is when reading the part began."""
    _add(progress, part, at, seconds)
    if part.findings or part.complete:
        outcome = _outcome(progress, part)
        if part.findings or not progress.findings:
            verification_record(
                context=context, backup=progress.backup, level=VerificationLevel.CHECKSUM, outcome=outcome
            )
    if part.complete:
        _end_pass(progress)
    progress.save()


def _add(progress: ScrubProgress, part: Scrubbed, at: datetime, seconds: float) -> None:
    progress.pass_began_at = progress.pass_began_at or at
    progress.cursor = part.cursor
    progress.objects_read += len(part.names)
    progress.bytes_read += part.bytes_read
    progress.seconds += seconds
    progress.findings = [
        *progress.findings,
        *({"object": each.object_name, "problem": each.problem} for each in part.findings),
    ]


def _end_pass(progress: ScrubProgress) -> None:
    """Everything of it was read after the pass began."""
    progress.last_read_at, progress.pass_began_at = progress.pass_began_at, None
    progress.cursor, progress.findings = "", []
    progress.objects_read = progress.bytes_read = 0
    progress.seconds = 0.0


def _outcome(progress: ScrubProgress, part: Scrubbed) -> model.Verification:
    """A part with damage says so at once; a whole pass without any is a proof of the whole backup."""
    wanted = f"{progress.objects_read} objects with the sealed size and SHA-256"
    if part.findings:
        bad = [model.Check(each.object_name, False, "as sealed", each.problem) for each in part.findings]
        checks = (model.Check("reread objects", False, wanted, f"{len(bad)} problems"), *bad[:LISTED])
    else:
        checks = (model.Check("reread objects", True, wanted, "all of them"),)
    return model.Verification(
        level="checksum",
        passed=not part.findings,
        checks=checks,
        seconds=progress.seconds,
        started_at=progress.pass_began_at or clock.now(),
        finished_at=clock.now(),
        bytes_read=progress.bytes_read,
    )
