"""A verification's outcome as the row that keeps it."""

from __future__ import annotations

import socket

from catalog.models import Backup, Verification
from catalog.services.cleaning import save_clean
from catalog.states import VerificationLevel
from dataprotect.engine import model
from dataprotect.ops.context import JobContext


def verification_save(
    *, context: JobContext, backup: Backup, level: VerificationLevel, outcome: model.Verification
) -> Verification:
    """The new row, in the caller's transaction; what follows from it is the caller's to decide."""
    row = Verification(
        backup=backup,
        job_id=context.job_id,
        level=level,
        passed=outcome.passed,
        checks=[model.as_plain(check) for check in outcome.checks],
        timings=dict(outcome.timings),
        seconds=outcome.seconds,
        rto_seconds=outcome.rto_seconds,
        bytes_read=outcome.bytes_read,
        bytes_replayed=outcome.bytes_replayed,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        worker=socket.gethostname(),
    )
    save_clean(row)
    return row
