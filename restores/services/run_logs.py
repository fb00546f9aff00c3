"""After a restore nobody may find out by accident that the log is not stored any more."""

from __future__ import annotations

import time
from datetime import datetime

from catalog.models import Instance
from catalog.selectors.streaming import streaming_instances
from catalog.services.log_stretch import stored_until
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.context import JobContext

LONGEST = 180.0
_LOOK_EVERY = 0.5


def wanted(instance: Instance) -> bool:
    """Does the instance, or its policy, want its log streamed?"""
    return streaming_instances().filter(pk=instance.pk).exists()


def prove_streaming(context: JobContext, instance: Instance) -> tuple[datetime, float]:
    """Wait until what is written now is stored: that instant, and the seconds it took.

    Raises `restore.logs_not_stored` after three minutes.
    """
    since, began = clock.now(), time.monotonic()
    while time.monotonic() - began < LONGEST:
        context.checkpoint()
        newest = stored_until(instance)
        if newest is not None and newest > since:
            return newest, time.monotonic() - began
        time.sleep(_LOOK_EVERY)
    raise ForeseenError(
        "restore.logs_not_stored",
        f"Nothing that {instance.name} wrote in the last {LONGEST:.0f} s has reached the repository.",
        "The restored data is in use. Look at the logs page, and start collect_logs where it does not run.",
    )
