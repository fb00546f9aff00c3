"""What a rule found: the shape between whoever judges facts and whoever keeps alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dataprotect.ops.alert_states import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is off now. Two findings with one `dedupe_key` are the same trouble.

    subject   such as `instance:12`; empty for the installation itself
    title     one sentence that stands alone in a message, without instants that change every minute
    detail    the figures and what to do
    link      path of the page that helps, such as `/instances/orders/`
    """

    rule: str
    severity: Severity
    title: str
    detail: str = ""
    subject: str = ""
    link: str = ""
    dedupe_key: str = ""
    since: datetime | None = None
    """Since when it is so, where the facts tell."""

    @property
    def key(self) -> str:
        """The given key, or rule and subject."""
        return (self.dedupe_key or f"{self.rule}:{self.subject}")[:250]
