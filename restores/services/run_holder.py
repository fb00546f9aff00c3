"""Who writes about a run: the worker that has its job, or the clock when no worker has it any more."""

from __future__ import annotations

import logging
from typing import Protocol

log = logging.getLogger(__name__)


class Holder(Protocol):
    """What a `JobContext` is to whoever writes rows of a run."""

    @property
    def actor(self) -> str: ...

    def hold(self) -> None:
        """Raises LeaseLost unless the caller may still write; keeps it so until the transaction ends."""

    def note(self, message: str) -> None: ...


class Clock:
    """For runs whose job has ended: nobody else writes, and each row moves by a conditional UPDATE."""

    actor = "system"

    def hold(self) -> None:
        """There is no lease to lose."""

    def note(self, message: str) -> None:
        log.info("%s", message)
