"""What the catalog is read through: each user gets what that user may see, in a few constant queries."""

from catalog.selectors.attention import AttentionItem
from catalog.selectors.backups import BackupDetail, backup_detail, backup_get, backup_list
from catalog.selectors.changes import ChangeDetail, change_detail, change_get, change_list, changes_awaiting
from catalog.selectors.holds import (
    HoldDetail,
    expiry_list,
    expiry_of,
    hold_detail,
    hold_get,
    hold_list,
    holds_of_backup,
)
from catalog.selectors.instances import InstanceDetail, instance_detail, instance_list
from catalog.selectors.jobs import job_get, job_list
from catalog.selectors.logs import (
    LogDetail,
    LogRow,
    log_detail,
    log_gap_get,
    log_gaps,
    log_list,
    rpo_series,
)
from catalog.selectors.overview import Overview, overview
from catalog.selectors.repositories import key_list, repository_get, repository_list
from catalog.selectors.retention import Simulation, retention_simulation, retention_simulations
from catalog.selectors.rows import InstanceRow
from catalog.selectors.streaming import streaming_instances
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
    "ChangeDetail",
    "HoldDetail",
    "InstanceDetail",
    "InstanceRow",
    "LogDetail",
    "LogRow",
    "Overview",
    "Simulation",
    "StripDay",
    "backup_detail",
    "backup_get",
    "backup_list",
    "backups_visible",
    "change_detail",
    "change_get",
    "change_list",
    "changes_awaiting",
    "expiry_list",
    "expiry_of",
    "hold_detail",
    "hold_get",
    "hold_list",
    "holds_of_backup",
    "instance_detail",
    "instance_get",
    "instance_list",
    "instances_visible",
    "job_get",
    "job_list",
    "key_list",
    "log_detail",
    "log_gap_get",
    "log_gaps",
    "log_list",
    "may",
    "overview",
    "repository_get",
    "repository_list",
    "retention_simulation",
    "retention_simulations",
    "rpo_series",
    "sees_every_instance",
    "streaming_instances",
    "verifications_visible",
]
