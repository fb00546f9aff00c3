"""How a job ended, as the columns of its row."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.ops import states
from dataprotect.ops.masking import mask

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state` is terminal; the error columns are empty for a success."""

    state: str
    result: Any = None
    code: str = ""
    message: str = ""
    action: str = ""

    def columns(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "result": self.result,
            "error_code": self.code,
            "error_message": self.message,
            "error_action": self.action,
        }


def succeeded(result: object) -> Outcome:
    """Raises TypeError for a result that is not plain data."""
    return Outcome(states.SUCCEEDED, json.loads(json.dumps(result, cls=DjangoJSONEncoder)))


def foreseen(error: ForeseenError) -> Outcome:
    state = states.CANCELLED if isinstance(error, Cancelled) else states.FAILED
    return Outcome(state, None, error.code, mask(error.message), mask(error.action))


def unforeseen(job_id: object, task: str) -> Outcome:
    """Called while the exception is handled: its traceback goes to the log, the row gets a reference."""
    reference = secrets.token_hex(4)
    log.exception("job %s (%s) ended with an error of ours, reference %s", job_id, task, reference)
    return Outcome(
        states.ERRORED, None, "job.unexpected",
        f"Something happened that DataProtect did not foresee; reference {reference}.",
        f"Look for {reference} in logs/errors.log of the worker and report what it says.",
    )  # fmt: skip
