"""Foreseen failures. Whatever is not one of these is a bug of ours and ends a job `errored`."""

from __future__ import annotations


class ForeseenError(Exception):
    """A failure we expected could happen, in words a person can act on at three in the morning.

    code     stable, dotted, lower case, e.g. ``repository.full``; tests and runbooks refer to it
    message  one sentence: what happened, naming the object
    action   one sentence: what to do now
    retry    True when the same call may succeed later without a person doing anything
    """

    def __init__(self, code: str, message: str, action: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.action = action
        self.retry = retry

    def as_json(self) -> dict[str, object]:
        """The shape every command and API answers a foreseen failure with."""
        return {"code": self.code, "message": self.message, "action": self.action}


class InvalidInput(ForeseenError):
    """What somebody typed is not what was expected; the message says what was."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"input.{field}", message, "Correct the value and try again.")
        self.field = field


class Cancelled(ForeseenError):
    """A person asked for the work to end; raised at the next safe point."""

    def __init__(self, message: str = "The work was cancelled on request.") -> None:
        super().__init__("job.cancelled", message, "Start it again when you are ready.")


class EmergencyStop(ForeseenError):
    """The emergency stop is active; raised at the next safe point."""

    def __init__(self, message: str) -> None:
        super().__init__(
            "stop.active", message, "A DBA Lead lifts the stop, with a root cause, before work goes on."
        )


class LeaseLost(ForeseenError):
    """Another worker owns this job now; whoever raises this must write nothing more."""

    def __init__(self, message: str = "The lease of this job was taken over by another worker.") -> None:
        super().__init__("job.lease_lost", message, "Nothing: the other worker goes on with it.", retry=True)
