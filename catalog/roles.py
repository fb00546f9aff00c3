"""What each role may do. A role is a group; the data migration creates the groups from this table.

A permission held by a group counts for every instance. A DBA holds none of those on instances: what a DBA
may do is given per instance (`catalog.services.instance_access`), and whoever registers one receives it all.
"""

from __future__ import annotations

OPERATOR = "operator"
DBA = "DBA"
SENIOR_DBA = "Senior DBA"
DBA_LEAD = "DBA Lead"
ENGINEERING_MANAGER = "Engineering Manager"
VP_ENGINEERING = "VP Engineering"
AUDITOR = "auditor"
BREAK_GLASS = "Break-glass"
"""May act without the approvals in an emergency, loudly; being in it gives no other right."""


OWNER_PERMISSIONS = (
    "view_instance",
    "change_instance",
    "backup_instance",
    "verify_instance",
    "restore_instance",
)
"""What the person who registers an instance may do with it."""

GRANTABLE = (*OWNER_PERMISSIONS, "grant_instance")

_SEE_PLACES = (
    "catalog.view_repository",
    "catalog.view_encryptionkey",
    "catalog.view_tier",
    "catalog.view_policy",
    "ops.view_job",
    "ops.view_stopswitch",
    "ops.view_alert",
)
_SEE_ALL = (
    *_SEE_PLACES,
    "catalog.view_instance",
    "catalog.view_backup",
    "catalog.view_verification",
    "catalog.view_legalhold",
    "catalog.view_expiry",
    "catalog.view_retentionaudit",
    "catalog.view_changerequest",
    "catalog.view_scrubrun",
    "catalog.view_scheduledrun",
    "restores.view_clone",
    "restores.view_restorerequest",
    "ops.view_auditevent",
    "ops.view_alertdelivery",
)
_ACT_AT_ONCE = ("ops.raise_stop",)
_ON_CALL = ("ops.handle_alert",)
_RUN_CHANNELS = (
    "ops.view_alertchannel",
    "ops.add_alertchannel",
    "ops.change_alertchannel",
    "ops.delete_alertchannel",
)
"""An address can make this machine call any other one: only few may enter it."""

_SET_POLICIES = ("catalog.add_policy", "catalog.change_policy", "catalog.delete_policy")
"""Only who answers for all instances writes policies; who may change an instance chooses one for it."""

_WORK_ON_ALL = (
    "catalog.add_instance",
    "catalog.change_instance",
    "catalog.backup_instance",
    "catalog.verify_instance",
    "catalog.restore_instance",
)
_PROTECT = ("catalog.add_legalhold", "catalog.add_changerequest", "catalog.approve_deletion")
"""Place holds; ask for what takes a second person, and be that person for a deletion."""

_RULE_PEOPLE = ("catalog.view_rolegrant", "catalog.grant_role", "ops.choose_profile")
"""Say who has which role, and how this installation is run."""

_SIGN = ("restores.approve_restore",)
"""Sign restores in the role held; for which instances the rights on them say."""

_REVIEW = ("restores.review_breakglass",)

_RUN_EXPIRY = ("catalog.expire_repository",)
_RUN_STORAGE = ("catalog.add_repository", "catalog.change_repository", "catalog.check_repository")

ROLES: dict[str, tuple[str, ...]] = {
    OPERATOR: (
        *_SEE_ALL,
        *_RUN_STORAGE,
        *_RUN_EXPIRY,
        "catalog.backup_instance",
        "catalog.verify_instance",
        *_ACT_AT_ONCE,
        *_ON_CALL,
        *_RUN_CHANNELS,
        "ops.cancel_job",
    ),
    DBA: (
        *_SEE_PLACES,
        *_ACT_AT_ONCE,
        *_ON_CALL,
        *_SIGN,
        "catalog.add_instance",
        "restores.view_restorerequest",
    ),
    SENIOR_DBA: (
        *_SEE_ALL,
        *_WORK_ON_ALL,
        *_PROTECT,
        *_SIGN,
        *_RUN_EXPIRY,
        "catalog.check_repository",
        *_ACT_AT_ONCE,
        *_ON_CALL,
        "ops.cancel_job",
    ),
    DBA_LEAD: (
        *_SEE_ALL,
        *_WORK_ON_ALL,
        *_PROTECT,
        *_SIGN,
        *_REVIEW,
        "restores.propose_approvalpolicy",
        "catalog.approve_release",
        *_RUN_STORAGE,
        *_RUN_EXPIRY,
        "catalog.grant_instance",
        "catalog.change_tier",
        *_SET_POLICIES,
        "catalog.rotate_encryptionkey",
        *_RULE_PEOPLE,
        "ops.lift_stop",
        *_ACT_AT_ONCE,
        *_ON_CALL,
        *_RUN_CHANNELS,
        "ops.cancel_job",
    ),
    ENGINEERING_MANAGER: (
        *_SEE_ALL,
        *_PROTECT,
        *_SIGN,
        *_REVIEW,
        "catalog.approve_release",
        *_ACT_AT_ONCE,
    ),
    VP_ENGINEERING: (*_SEE_ALL, *_PROTECT, *_SIGN, *_REVIEW, *_ACT_AT_ONCE),
    AUDITOR: (*_SEE_ALL, "catalog.view_rolegrant"),
    BREAK_GLASS: (),
}
