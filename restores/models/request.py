"""What somebody wants to bring back, where to, and the frozen plan that is signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from restores.states import RestoreState, SafeguardState, Scope, TableMode

if TYPE_CHECKING:
    from catalog.models import Instance


class RestoreRequest(models.Model):
    """One restore from draft to end. `restore_id` names it everywhere, on the server's own objects too.

    `plan` is exactly what is approved; `plan_hash` is the SHA-256 of its canonical JSON, and every approval
    repeats it. Any change of the request makes another plan, and with it other approvals. A request is run
    once: `run` is one to one.
    """

    restore_id = models.CharField(max_length=16, unique=True, help_text="r and eight hex digits")
    state = models.CharField(max_length=12, choices=RestoreState.choices, default=RestoreState.DRAFT)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    instance = models.ForeignKey(
        "catalog.Instance", on_delete=models.PROTECT, related_name="restore_requests",
        help_text="Whose backup is brought back",
    )  # fmt: skip
    target_instance = models.ForeignKey(
        "catalog.Instance", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Where to; empty for an isolated clone",
    )  # fmt: skip
    backup = models.ForeignKey(
        "catalog.Backup", null=True, blank=True, on_delete=models.PROTECT, related_name="restore_requests",
        help_text="Empty until the plan chooses it",
    )  # fmt: skip
    recovery_target = models.JSONField(
        null=True, blank=True, help_text="As engine.recovery_target writes it; empty: the backup as it is"
    )
    databases = models.JSONField(default=list, blank=True, help_text="Names, in the order of the run")
    tables = models.JSONField(default=list, blank=True, help_text="[[schema, table], …] of the one database")
    table_mode = models.CharField(max_length=8, choices=TableMode.choices, blank=True)
    options = models.JSONField(
        default=dict, blank=True, help_text="Chosen rows, triggers on or off, parallel jobs, hooks to use"
    )
    reason = models.CharField(max_length=500, blank=True)
    ticket = models.CharField("change ticket", max_length=100, blank=True)
    window_start = models.DateTimeField("downtime window from", null=True, blank=True)
    window_end = models.DateTimeField("downtime window until", null=True, blank=True)
    typed_target = models.CharField(max_length=255, blank=True, help_text="As typed by the requester")

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Empty: at the machine's terminal",
    )  # fmt: skip
    requested_by_name = models.CharField(max_length=150)
    by_token = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    declared_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody said that a restore is needed; RTO counts from here"
    )
    submitted_at = models.DateTimeField(null=True, blank=True)

    comparison_sealed = models.TextField(
        blank=True, editable=False, help_text="Rows beside the live ones: sealed, gone when the request ends"
    )
    compared_at = models.DateTimeField(null=True, blank=True)

    plan = models.JSONField(default=dict, blank=True)
    plan_hash = models.CharField(max_length=64, blank=True)
    planned_at = models.DateTimeField(null=True, blank=True)
    policy = models.ForeignKey(
        "restores.ApprovalPolicy", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    approval_until = models.DateTimeField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    execute_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    started_by = models.CharField(max_length=150, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)
    ended_reason = models.CharField(max_length=1000, blank=True, help_text="In what state it left things")

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = "restore request"
        permissions = [("approve_restore", "Can sign restore requests in the role held")]
        indexes = [
            models.Index(fields=["state", "-created_at"], name="restores_request_by_state"),
            models.Index(fields=["instance", "-created_at"], name="restores_request_of_instance"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=RestoreState.values), name="restores_request_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=(RestoreState.DRAFT, RestoreState.CANCELLED)) | ~Q(plan_hash=""),
                name="restores_nothing_without_a_frozen_plan",
            ),
            models.CheckConstraint(
                condition=Q(scope=Scope.TEST, target_instance=None)
                | (~Q(scope=Scope.TEST) & Q(target_instance__isnull=False))
                | Q(state__in=(RestoreState.DRAFT, RestoreState.CANCELLED)),
                name="restores_target_fits_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.restore_id} ({self.get_scope_display()})"

    @property
    def subject(self) -> str:
        """How jobs and audit events name it."""
        return f"restorerequest:{self.pk}"

    @property
    def affected(self) -> Instance:
        """Whose people sign, start and roll it back: the target's, or for a clone the source's."""
        return self.target_instance or self.instance


class Safeguard(models.Model):
    """One item of the checklist for one frozen plan, with its evidence. Never silently skipped."""

    request = models.ForeignKey(RestoreRequest, on_delete=models.CASCADE, related_name="safeguards")
    plan_hash = models.CharField(max_length=64)
    code = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=SafeguardState.choices)
    because = models.CharField(max_length=500, help_text="What was found, or why it was skipped")
    evidence = models.JSONField(default=dict, blank=True)
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request", "plan_hash", "code"], name="restores_safeguard_once_per_plan"
            ),
            models.CheckConstraint(condition=~Q(because=""), name="restores_safeguard_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.state}"
