"""Writing down what a part of a rereading found: the cursor, and at the end of a pass, or at damage, a
verification like any other, with the state it earns and the alert.
"""

from __future__ import annotations

from datetime import datetime

from catalog.models import LogScrub, ScrubProgress
from catalog.rules.words import page
from catalog.selectors.facts import NAMED
from catalog.services.verification_run import verification_record
from catalog.states import VerificationLevel
from dataprotect.core import clock
from dataprotect.engine import model
from dataprotect.engine.verify import LISTED
from dataprotect.ops.alert_states import Severity
from dataprotect.ops.context import JobContext
from dataprotect.ops.services import alert_raise, alert_resolve
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
    progress.findings = [*progress.findings, *plain_findings(part)]


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


def plain_findings(part: Scrubbed) -> list[dict[str, str]]:
    return [{"object": each.object_name, "problem": each.problem} for each in part.findings]


def log_part_record(*, progress: LogScrub, part: Scrubbed, at: datetime) -> None:
    """The same for stored log: the cursor, and the alert; in the caller's transaction."""
    progress.pass_began_at = progress.pass_began_at or at
    progress.cursor = part.cursor
    progress.damaged = [*progress.damaged, *plain_findings(part)]
    _judge_log(progress, complete=part.complete)
    if part.complete:
        progress.last_read_at, progress.pass_began_at = progress.pass_began_at, None
        progress.damaged = []
    progress.save()


def _judge_log(progress: LogScrub, *, complete: bool) -> None:
    """Told with the first damaged object; over when a whole pass finds none."""
    instance = progress.instance
    subject = f"instance:{instance.pk}"
    key = f"log_damaged:{subject}:repository:{progress.repository_id}"
    if progress.damaged:
        named = "; ".join(f"{each['object']}: {each['problem']}" for each in progress.damaged[:NAMED])
        alert_raise(
            rule="log_damaged",
            severity=Severity.CRITICAL,
            subject=subject,
            title=f"Stored log of {instance.name} is damaged.",
            detail=f"{len(progress.damaged)} objects, among them {named}. Instants that need them cannot be "
            "restored. Take a new full backup now, and check the repository's disk.",
            dedupe_key=key,
            link=page("instances", instance.name),
        )
    elif complete:
        alert_resolve(key, reason="All of the stored log was reread and is whole.")
