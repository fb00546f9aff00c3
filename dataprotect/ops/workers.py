"""Workers signing in, so that Overview can say whether anybody works."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from dataprotect import __version__
from dataprotect.core import clock
from dataprotect.ops.models import Job, Worker

log = logging.getLogger(__name__)


def sign_in(job: Job | None, *, swept: bool = False) -> None:
    """This process lives and works on `job` (or on nothing). Never in the way of the work itself."""
    now, host = clock.now(), socket.gethostname()[:150]
    facts: dict[str, Any] = {
        "host": host,
        "cluster": settings.CLUSTER_NAME,
        "pid": os.getpid(),
        "version": __version__,
        "seen_at": now,
        "job": job,
    }
    if swept:
        facts["swept_at"] = now
    try:
        with transaction.atomic():
            Worker.objects.update_or_create(name=f"{host}:{os.getpid()}", defaults=facts)
    except DatabaseError:
        log.warning("this worker could not sign in", exc_info=True)
