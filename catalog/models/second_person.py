"""Requests that a second person must approve. The database itself refuses one person in two places."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from catalog.states import ChangeKind, ChangeState


class ChangeRequest(models.Model):
    """Asked by one, approved by another, done at that moment, once.

    `payload` is exactly what is approved; `payload_hash` is the SHA-256 of its canonical JSON, and every
    approval repeats it. Whoever asks at the machine's terminal is nobody the application knows (then
    `requested_by` is empty), so such a request takes two approvers.
    """

    kind = models.CharField(max_length=24, choices=ChangeKind.choices)
    state = models.CharField(max_length=16, choices=ChangeState.choices, default=ChangeState.AWAITING)
    title = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    instance = models.ForeignKey(
        "catalog.Instance", null=True, blank=True, on_delete=models.PROTECT, related_name="change_requests",
        help_text="Empty when it is about several",
    )  # fmt: skip
    backup = models.ForeignKey(
        "catalog.Backup", null=True, blank=True, on_delete=models.PROTECT, related_name="change_requests"
    )
    hold = models.ForeignKey(
        "catalog.LegalHold", null=True, blank=True, on_delete=models.PROTECT, related_name="change_requests"
    )
    payload = models.JSONField()
    payload_hash = models.CharField(max_length=64)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    first_approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    first_approved_at = models.DateTimeField(null=True, blank=True)
    second_approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Only where nobody known by name asked",
    )  # fmt: skip
    second_approved_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)
    ended_reason = models.CharField(max_length=500, blank=True)
    outcome = models.JSONField(default=dict, blank=True, help_text="What carrying it out did")

    class Meta:
        ordering = ["-requested_at", "-pk"]
        verbose_name = "change request"
        permissions = [
            ("approve_deletion", "Can approve the deletion of a backup"),
            ("approve_release", "Can approve lifting a hold or keeping backups for a shorter time"),
        ]
        indexes = [models.Index(fields=["state", "-requested_at"], name="catalog_change_by_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["backup"],
                condition=Q(state=ChangeState.AWAITING, kind=ChangeKind.DELETE_BACKUP),
                name="catalog_one_deletion_asked",
            ),
            models.UniqueConstraint(
                fields=["hold"],
                condition=Q(state=ChangeState.AWAITING, kind=ChangeKind.LIFT_HOLD),
                name="catalog_one_lifting_asked",
            ),
            models.CheckConstraint(
                condition=Q(first_approver=None)
                | Q(requested_by=None)
                | ~Q(first_approver=F("requested_by")),
                name="catalog_change_requester_is_not_first",
            ),
            models.CheckConstraint(
                condition=Q(second_approver=None)
                | (
                    ~Q(first_approver=None)
                    & ~Q(second_approver=F("first_approver"))
                    & (Q(requested_by=None) | ~Q(second_approver=F("requested_by")))
                ),
                name="catalog_change_second_is_another",
            ),
            models.CheckConstraint(
                condition=~Q(state=ChangeState.EXECUTED)
                | Q(first_approver__isnull=False, requested_by__isnull=False)
                | Q(first_approver__isnull=False, second_approver__isnull=False),
                name="catalog_change_done_by_two_persons",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def approvals_needed(self) -> int:
        """How many more."""
        needed = 1 if self.requested_by_id else 2
        return needed - sum(key is not None for key in (self.first_approver_id, self.second_approver_id))

    def is_open(self, at: datetime) -> bool:
        return self.state == ChangeState.AWAITING and self.expires_at > at

    @property
    def subject(self) -> str:
        """How audit events name it."""
        return f"changerequest:{self.pk}"
