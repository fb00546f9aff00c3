"""What the queue calls. Each is one door and decides nothing."""

from __future__ import annotations

import logging
from uuid import UUID

from dataprotect.ops import runner, sweeper, workers

log = logging.getLogger(__name__)


def run_job(job_id: str) -> bool:
    """The one function every message names. A message that comes twice or too late does nothing."""
    try:
        return runner.execute(UUID(job_id))
    except Exception:
        log.exception("job %s could not be run; the sweeper will find it", job_id)
        return False


def sweep() -> dict[str, int]:
    """Once a minute."""
    found = sweeper.sweep()
    workers.sign_in(None, swept=True)
    return found
