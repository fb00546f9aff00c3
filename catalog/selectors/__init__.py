"""What the catalog is read through: each user gets what that user may see, in a few constant queries."""

from catalog.selectors.attention import AttentionItem
from catalog.selectors.backups import BackupDetail, backup_detail, backup_get, backup_list
from catalog.selectors.instances import InstanceDetail, instance_detail, instance_list
from catalog.selectors.jobs import job_get, job_list
from catalog.selectors.overview import Overview, overview
from catalog.selectors.repositories import key_list, repository_get, repository_list
from catalog.selectors.rows import InstanceRow
from catalog.selectors.strip import StripDay
from catalog.selectors.visible import (
    backups_visible,
    instance_get,
    instances_visible,
    may,
    sees_every_instance,
    verifications_visible,
)

__all__ = [
    "AttentionItem",
    "BackupDetail",
    "InstanceDetail",
    "InstanceRow",
    "Overview",
    "StripDay",
    "backup_detail",
    "backup_get",
    "backup_list",
    "backups_visible",
    "instance_detail",
    "instance_get",
    "instance_list",
    "instances_visible",
    "job_get",
    "job_list",
    "key_list",
    "may",
    "overview",
    "repository_get",
    "repository_list",
    "sees_every_instance",
    "verifications_visible",
]
