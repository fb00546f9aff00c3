"""What the queue calls. Each is one door and decides nothing."""

from __future__ import annotations

from uuid import UUID

from dataprotect.ops import runner, sweeper, workers


def run_job(job_id: str) -> bool:
    """The one function every message names. A message that comes twice or too late does nothing."""
    return runner.execute(UUID(job_id))


def sweep() -> dict[str, int]:
    """Once a minute."""
    found = sweeper.sweep()
    workers.sign_in(None, swept=True)
    return found
