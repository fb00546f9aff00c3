"""What the queue calls. Each is one door and decides nothing."""

from __future__ import annotations

import logging
from uuid import UUID

from dataprotect.ops import runner, sweeper, workers
from dataprotect.ops.services.alert_deliver import deliveries_send
from dataprotect.ops.services.alert_wake import alerts_wake

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


def deliver_alerts() -> dict[str, int]:
    """After every change of an alert, and once a minute."""
    return deliveries_send()


def tend_alerts() -> dict[str, int]:
    """Once a minute: wake what is snoozed, repeat what nobody heard, send what is due."""
    return {**alerts_wake(), **deliveries_send()}
