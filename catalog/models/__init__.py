"""The catalog's tables. Services write them, selectors read them."""

from catalog.models.access import InstanceGroupPermission, InstanceUserPermission
from catalog.models.backup import Backup
from catalog.models.instance import Instance, InstanceDatabase
from catalog.models.repository import EncryptionKey, Repository
from catalog.models.tier import Tier
from catalog.models.token import ApiToken
from catalog.models.verification import Verification

__all__ = [
    "ApiToken",
    "Backup",
    "EncryptionKey",
    "Instance",
    "InstanceDatabase",
    "InstanceGroupPermission",
    "InstanceUserPermission",
    "Repository",
    "Tier",
    "Verification",
]
