"""The emergency stop as a row; the file is the other half (`ops.stop`)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone


class StopSwitch(models.Model):
    """One raising of the stop, until it is lifted with a root cause. At most one is active."""

    raised_at = models.DateTimeField(default=timezone.now)
    raised_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    root_cause = models.TextField(blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["-raised_at"]
        default_permissions = ("view",)
        permissions = [
            ("raise_stop", "Can raise the emergency stop"),
            ("lift_stop", "Can lift the emergency stop"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="stop_one_active"),
            models.CheckConstraint(
                condition=Q(active=True) | (Q(lifted_at__isnull=False) & ~Q(root_cause="")),
                name="stop_lifted_with_a_root_cause",
            ),
        ]

    def __str__(self) -> str:
        return self.reason
