"""Every page and every action of the dashboard, as tests walk through them."""

from __future__ import annotations

from django.urls import reverse

from catalog.models import Backup, ChangeRequest, Instance, LegalHold, LogGap, RetentionAudit, Verification
from dataprotect.ops.models import Alert, AlertChannel, AuditEvent, Job
from restores.models import SmokeTest
from tests.dashboard.seed_restores import DONE, DRAFT, GLASS, RUNNING, WAITING

LISTS = (
    "overview",
    "instances",
    "backups",
    "verifications",
    "jobs",
    "repositories",
    "audit",
    "alerts",
    "logs",
    "policies",
    "restore_tests",
    "retention",
    "holds",
    "changes",
    "restores",
    "restore_history",
    "approvals",
    "approval_policy",
    "channels",
    "health",
    "preferences",
    "account",
    "account_change_password",
    "mfa_index",
    "mfa_list_webauthn",
    "profile",
    "people",
)
FORMS = (
    "instance_add",
    "repository_add",
    "key_rotate",
    "stop_raise",
    "stop_lift",
    "channel_add",
    "hold_place",
    "policy_add",
    "role_give",
    "restore_new",
)


def details() -> dict[str, str]:
    """One of each kind of thing that the catalog holds now."""
    backup = Backup.objects.filter(instance__name="orders").first()
    proof = Verification.objects.filter(backup__instance__name="orders", level="restore").first()
    orders = Instance.objects.get(name="orders")
    job = Job.objects.filter(subject=orders.subject).first()
    assert backup and proof and job
    return (
        {
            "instance": reverse("instance", args=["orders"]),
            "backup": reverse("backup", args=[backup.backup_id]),
            "verification": reverse("verification", args=[proof.pk]),
            "job": reverse("job", args=[job.pk]),
            "job_progress": reverse("job_progress", args=[job.pk]),
            "repository": reverse("repository", args=["cellar"]),
        }
        | of_alerts()
        | of_keeping()
        | of_logs()
        | of_restores()
    )


def of_restores() -> dict[str, str]:
    return {
        "restore": reverse("restore", args=[WAITING]),
        "restore_done": reverse("restore", args=[DONE]),
        "restore_running": reverse("restore", args=[RUNNING]),
        "restore_glass": reverse("restore", args=[GLASS]),
        "restore_draft": reverse("restore", args=[DRAFT]),
        "restore_plan": reverse("restore_plan", args=[DRAFT]),
        "restore_progress": reverse("restore_progress", args=[DONE]),
        "restore_json": reverse("restore_json", args=[DONE]),
        "restoring": reverse("restoring", args=["orders"]),
    }


def restore_forms() -> dict[str, str]:
    return {
        "restore_submit": reverse("restore_submit", args=[DRAFT]),
        "restore_source": reverse("restore_source", args=[WAITING]),
        "restore_target": reverse("restore_target", args=[WAITING]),
        "restoring_edit": reverse("restoring_edit", args=["orders"]),
        "smoke_test_add": reverse("smoke_test_add", args=["orders"]),
        "smoke_test_edit": reverse("smoke_test_edit", args=[_smoke_test()]),
    }


def restore_actions() -> dict[str, str]:
    verbs = (
        "approve",
        "deny",
        "start",
        "cancel",
        "compare",
        "choose",
        "roll_back",
        "break_glass",
        "review_glass",
    )
    return {f"restore_{verb}": reverse(f"restore_{verb}", args=[WAITING]) for verb in verbs} | {
        "smoke_test_remove": reverse("smoke_test_remove", args=[_smoke_test()]),
        "policy_sign": reverse("approval_policy_sign", args=[2]),
        "policy_reject": reverse("approval_policy_reject", args=[2]),
    }


def _smoke_test() -> int:
    return int(SmokeTest.objects.values_list("pk", flat=True).get(instance__name="orders"))


def of_logs() -> dict[str, str]:
    return {
        "log": reverse("log", args=["orders"]),
        "recovery": reverse("recovery", args=["orders"]),
        "policy": reverse("policy", args=["critical"]),
    }


def gap_form() -> dict[str, str]:
    gap = LogGap.objects.filter(instance__name="orders").first()
    assert gap
    return {
        "gap": reverse("gap", args=[gap.pk]),
        "instance_policy": reverse("instance_policy", args=["orders"]),
        "policy_edit": reverse("policy_edit", args=["critical"]),
    }


def of_keeping() -> dict[str, str]:
    hold = LegalHold.objects.filter(instance__name="orders").first()
    change = ChangeRequest.objects.filter(instance__name="orders").first()
    audit = RetentionAudit.objects.first()
    assert hold and change and audit
    return {
        "retention_of": reverse("retention_of", args=["orders"]),
        "retention_audit": reverse("retention_audit", args=[audit.pk]),
        "hold": reverse("hold", args=[hold.pk]),
        "change": reverse("change", args=[change.pk]),
    }


def of_alerts() -> dict[str, str]:
    alert = Alert.objects.filter(subject=Instance.objects.get(name="orders").subject).first()
    assert alert
    return {"alert": reverse("alert", args=[alert.pk])}


def alert_actions() -> dict[str, str]:
    alert, channel = of_alerts()["alert"], AlertChannel.objects.get(name="on-call")
    return {f"alert_{verb}": f"{alert}{verb}/" for verb in ("acknowledge", "snooze", "assign", "resolve")} | {
        f"channel_{verb}": reverse(f"channel_{verb}", args=[channel.pk]) for verb in ("test", "remove")
    }


def keeping_actions() -> dict[str, str]:
    found = of_keeping()
    backup = Backup.objects.filter(instance__name="orders").order_by("stopped_at").first()
    assert backup
    changes = {f"change_{verb}": f"{found['change']}{verb}/" for verb in ("approve", "reject", "withdraw")}
    return changes | {
        "hold_lift": f"{found['hold']}lift/",
        "restore_test_start": reverse("restore_test_start", args=["orders"]),
        "policy_remove": reverse("policy_remove", args=["archival"]),
        "policy_blackout": reverse("policy_blackout", args=["critical"]),
        "policy_blackout_end": reverse("policy_blackout_end", args=["critical"]),
        "log_stream": reverse("log_stream", args=["orders"]),
        "backup_spare": reverse("backup_spare", args=[backup.backup_id]),
    }


def audit_detail() -> dict[str, str]:
    event = AuditEvent.objects.order_by("sequence").first()
    assert event
    return {"audit_event": reverse("audit_event", args=[event.sequence])}


def lists() -> dict[str, str]:
    return {name: reverse(name) for name in LISTS}


def forms() -> dict[str, str]:
    of_orders = {name: reverse(name, args=["orders"]) for name in ("instance_edit", "instance_access")}
    backup = Backup.objects.filter(instance__name="orders").first()
    assert backup
    of_orders["repository_edit"] = reverse("repository_edit", args=["cellar"])
    of_orders["backup_delete"] = reverse("backup_delete", args=[backup.backup_id])
    return {name: reverse(name) for name in FORMS} | of_orders | gap_form() | restore_forms()


def actions() -> dict[str, str]:
    found = details()
    return (
        {
            "instance_backup": reverse("instance_backup", args=["orders"]),
            "instance_probe": reverse("instance_probe", args=["orders"]),
            "access_revoke": reverse("instance_access_revoke", args=["orders"]),
            "backup_verify": found["backup"] + "verify/",
            "job_cancel": found["job"] + "cancel/",
            "repository_check": reverse("repository_check", args=["cellar"]),
            "audit_prove": reverse("audit_prove"),
            "logout": reverse("account_logout"),
        }
        | alert_actions()
        | keeping_actions()
        | restore_actions()
    )
