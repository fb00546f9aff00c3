"""What the demo brought up and nobody dropped: a Ctrl-C may come at any moment, a kill too."""

from __future__ import annotations

from dataprotect.ops import queue
from restores.demo.registration import INSTANCE, registrar
from restores.models import Clone
from restores.services import clone_drop_start
from restores.states import ALIVE


def drop_clones() -> None:
    """Every clone of the demo's server, here and now: workers may be gone. Raises what dropping raises."""
    for clone in Clone.objects.filter(backup__instance__name__startswith=INSTANCE, state__in=ALIVE):
        with queue.foreground():
            job = clone_drop_start(actor=registrar(), clone=clone)
        queue.result_of(queue.run_now(job))
