"""The catalog's tables. Services write them, selectors read them."""

from catalog.models.access import InstanceGroupPermission, InstanceUserPermission
from catalog.models.backup import Backup
from catalog.models.hold import LegalHold
from catalog.models.instance import Instance, InstanceDatabase
from catalog.models.logs import (
    BackupLogCheck,
    Heartbeat,
    LogCollector,
    LogGap,
    LogHistory,
    LogStretch,
    RpoSample,
)
from catalog.models.policy import Blackout, Policy, ScheduledRun
from catalog.models.repository import EncryptionKey, Repository
from catalog.models.retention import Expiry, RetentionAudit
from catalog.models.role_grant import RoleGrant
from catalog.models.scrub import LogScrub, RepositoryUsage, ScrubProgress, ScrubRun
from catalog.models.second_person import ChangeRequest
from catalog.models.tier import Tier
from catalog.models.token import ApiToken
from catalog.models.verification import Verification

__all__ = [
    "ApiToken",
    "Backup",
    "BackupLogCheck",
    "Blackout",
    "ChangeRequest",
    "EncryptionKey",
    "Expiry",
    "Heartbeat",
    "Instance",
    "InstanceDatabase",
    "InstanceGroupPermission",
    "InstanceUserPermission",
    "LegalHold",
    "LogCollector",
    "LogGap",
    "LogHistory",
    "LogScrub",
    "LogStretch",
    "Policy",
    "Repository",
    "RepositoryUsage",
    "RetentionAudit",
    "RoleGrant",
    "RpoSample",
    "ScheduledRun",
    "ScrubProgress",
    "ScrubRun",
    "Tier",
    "Verification",
]
