"""Everything in `ops` that writes."""

from dataprotect.ops.services.alert_raise import alert_raise, finding_raise
from dataprotect.ops.services.alert_resolve import alert_resolve

__all__ = ["alert_raise", "alert_resolve", "finding_raise"]
