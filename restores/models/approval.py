"""Who signs what: the policy by blast radius, the signatures, and broken glass."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from restores.states import Decision, PolicyState


class ApprovalPolicy(models.Model):
    """One version of the table of DESIGN 6. `rows`, from small to large::

        [{"scope", "databases" (null: all), "bytes" (null: unlimited), "roles": [group name, …]}, …]

    No roles: whoever asks approves. A new version takes the signatures that the active version asks for a
    full system.
    """

    version = models.PositiveIntegerField(unique=True)
    state = models.CharField(max_length=8, choices=PolicyState.choices, default=PolicyState.PROPOSED)
    rows = models.JSONField()
    rows_hash = models.CharField(max_length=64)
    approval_hours = models.PositiveIntegerField(default=24, help_text="A request lapses after this")
    execution_hours = models.PositiveIntegerField(
        default=24, help_text="The right to start lapses after this"
    )
    reason = models.CharField(max_length=500)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    proposed_by_name = models.CharField(max_length=150)
    proposed_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-version"]
        verbose_name_plural = "approval policies"
        default_permissions = ("view",)
        permissions = [("propose_approvalpolicy", "Can propose another table of approvals")]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state=PolicyState.ACTIVE), name="restores_one_active_policy"
            )
        ]

    def __str__(self) -> str:
        return f"approval policy {self.version}"


class Approval(models.Model):
    """One signature or denial by one person in one role, over exactly one plan (or one policy's rows).

    `requester` repeats whoever asked, so that the database itself can refuse self-approval.
    """

    request = models.ForeignKey(
        "restores.RestoreRequest", null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    policy = models.ForeignKey(
        ApprovalPolicy, null=True, blank=True, on_delete=models.PROTECT, related_name="approvals"
    )
    signed_hash = models.CharField(max_length=64, help_text="The plan's, or the rows'")
    decision = models.CharField(max_length=8, choices=Decision.choices)
    role = models.CharField(max_length=40, help_text="In which the person signs; empty for oneself")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    is_self = models.BooleanField(default=False, help_text="A test restore, which one approves for oneself")
    reason = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True, help_text="The plan was changed afterwards")

    class Meta:
        ordering = ["decided_at", "pk"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(request=None, policy__isnull=False) | Q(request__isnull=False, policy=None),
                name="restores_approval_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(is_self=True, approver=F("requester"))
                | Q(is_self=False, requester=None)
                | (Q(is_self=False) & ~Q(approver=F("requester"))),
                name="restores_requester_never_approves",
            ),
            models.UniqueConstraint(
                fields=["request", "signed_hash", "approver"],
                condition=Q(request__isnull=False),
                name="restores_one_person_signs_once",
            ),
            models.UniqueConstraint(
                fields=["request", "signed_hash", "role"],
                condition=Q(request__isnull=False, decision=Decision.APPROVE),
                name="restores_one_signature_per_role",
            ),
            models.UniqueConstraint(
                fields=["policy", "approver"],
                condition=Q(policy__isnull=False),
                name="restores_one_person_signs_a_policy_once",
            ),
            models.UniqueConstraint(
                fields=["policy", "role"],
                condition=Q(policy__isnull=False, decision=Decision.APPROVE),
                name="restores_one_policy_signature_per_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decision} by {self.approver_id} as {self.role or 'oneself'}"

    def signs(self, plan_hash: str) -> bool:
        """Is it a signature that stands, over exactly this plan?"""
        return self.signed_hash == plan_hash and self.decision == Decision.APPROVE and self.voided_at is None


class BreakGlassUse(models.Model):
    """Somebody of the named group started a restore without its approvals. It is reviewed afterwards."""

    request = models.OneToOneField(
        "restores.RestoreRequest", on_delete=models.PROTECT, related_name="break_glass"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    plan_hash = models.CharField(max_length=64)
    reason = models.CharField(max_length=500)
    used_at = models.DateTimeField()
    review_due_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ["-used_at"]
        default_permissions = ("view",)
        permissions = [("review_breakglass", "Can review restores started by breaking the glass")]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="restores_glass_has_a_reason"),
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("user")),
                name="restores_glass_reviewed_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"glass broken for {self.request_id}"
