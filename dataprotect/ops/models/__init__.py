"""Rows of the app `ops`."""

from dataprotect.ops.models.alert import Alert, AlertChannel, AlertDelivery
from dataprotect.ops.models.audit import AuditEvent, AuditHead
from dataprotect.ops.models.cache import CacheEntry
from dataprotect.ops.models.job import Job, JobLogLine
from dataprotect.ops.models.preference import Preference
from dataprotect.ops.models.profile import ProfileChoice
from dataprotect.ops.models.stop import StopSwitch
from dataprotect.ops.models.worker import Worker

__all__ = [
    "Alert",
    "AlertChannel",
    "AlertDelivery",
    "AuditEvent",
    "AuditHead",
    "CacheEntry",
    "Job",
    "JobLogLine",
    "Preference",
    "ProfileChoice",
    "StopSwitch",
    "Worker",
]
