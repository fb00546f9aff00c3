"""Everything that writes the catalog. What a job does (`…_run`) is imported by the tasks alone."""

from catalog.services.access import Actor, require, terminal_operator
from catalog.services.backup_start import backup_start
from catalog.services.catalog_rebuild import catalog_rebuild_start
from catalog.services.change_decide import change_approve, change_reject, change_withdraw
from catalog.services.change_request import backup_delete_request, hold_lift_request
from catalog.services.cluster_accept import cluster_accept
from catalog.services.expiry_place import backup_spare
from catalog.services.expiry_start import expiry_start
from catalog.services.hold_place import hold_place
from catalog.services.instance_access import instance_access_grant, instance_access_revoke
from catalog.services.instance_add import instance_add
from catalog.services.instance_probe import instance_probe_start
from catalog.services.instance_update import instance_update
from catalog.services.job_cancel import job_cancel
from catalog.services.key_rotate import key_rotate_start
from catalog.services.keyring import keyring_ensure, keyring_path
from catalog.services.log_archive import archive_prepare
from catalog.services.log_gap_acknowledge import log_gap_acknowledge
from catalog.services.log_slots import slot_drop, slots_list
from catalog.services.log_streaming_set import log_streaming_set
from catalog.services.repository_add import repository_add
from catalog.services.repository_check import repository_check_start
from catalog.services.retention_audit import retention_audit_start
from catalog.services.retention_change import (
    assignment_request,
    assignment_shortens,
    policy_shorten_request,
    policy_shortens,
)
from catalog.services.tier_update import tier_update
from catalog.services.token import token_create, token_owner, token_revoke
from catalog.services.verification_start import verification_start

__all__ = [
    "Actor",
    "archive_prepare",
    "assignment_request",
    "assignment_shortens",
    "backup_delete_request",
    "backup_spare",
    "backup_start",
    "catalog_rebuild_start",
    "change_approve",
    "change_reject",
    "change_withdraw",
    "cluster_accept",
    "expiry_start",
    "hold_lift_request",
    "hold_place",
    "instance_access_grant",
    "instance_access_revoke",
    "instance_add",
    "instance_probe_start",
    "instance_update",
    "job_cancel",
    "key_rotate_start",
    "keyring_ensure",
    "keyring_path",
    "log_gap_acknowledge",
    "log_streaming_set",
    "policy_shorten_request",
    "policy_shortens",
    "repository_add",
    "repository_check_start",
    "require",
    "retention_audit_start",
    "slot_drop",
    "slots_list",
    "terminal_operator",
    "tier_update",
    "token_create",
    "token_owner",
    "token_revoke",
    "verification_start",
]
