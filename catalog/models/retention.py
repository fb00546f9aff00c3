"""The two phases of a backup's end, and what was decided about it: evidence that outlives the bytes."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from catalog.states import BackupState, ExpiryState

ACTIVE = (ExpiryState.WAITING, ExpiryState.DELETING)


class Expiry(models.Model):
    """One tombstone of one backup. A spared backup may get another one later."""

    backup = models.ForeignKey("catalog.Backup", on_delete=models.PROTECT, related_name="expiries")
    state = models.CharField(max_length=16, choices=ExpiryState.choices, default=ExpiryState.WAITING)
    reasons = models.JSONField(help_text="Sentences: why nothing keeps it")
    previous_state = models.CharField(max_length=16, choices=BackupState.choices)
    previous_failed_level = models.CharField(max_length=16, blank=True)
    placed_at = models.DateTimeField()
    placed_by = models.CharField(max_length=150)
    delete_after = models.DateTimeField(help_text="Until then it can be spared")
    requested = models.ForeignKey(
        "catalog.ChangeRequest", null=True, blank=True, on_delete=models.PROTECT, related_name="expiries",
        help_text="Two persons wanted it; empty: the rules of retention did",
    )  # fmt: skip
    spared_at = models.DateTimeField(null=True, blank=True)
    spared_by = models.CharField(max_length=150, blank=True)
    spared_reason = models.CharField(max_length=500, blank=True)
    deleting_at = models.DateTimeField(null=True, blank=True, help_text="The point of no return")
    deleted_at = models.DateTimeField(null=True, blank=True)
    objects_deleted = models.PositiveIntegerField(default=0)
    bytes_deleted = models.PositiveBigIntegerField(default=0)
    problem = models.CharField(max_length=500, blank=True, help_text="What kept the deletion from ending")

    class Meta:
        ordering = ["-placed_at", "-pk"]
        verbose_name_plural = "expiries"
        default_permissions = ("view",)
        indexes = [models.Index(fields=["state", "delete_after"], name="catalog_expiry_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["backup"], condition=Q(state__in=ACTIVE), name="catalog_one_expiry_per_backup"
            ),
            models.CheckConstraint(
                condition=Q(delete_after__gte=F("placed_at")), name="catalog_expiry_has_its_grace"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.backup}: {self.get_state_display()}"


class RetentionAudit(models.Model):
    """What a retention audit found, once a month: everything looked at, and every exception by name."""

    at = models.DateTimeField(db_index=True)
    by = models.CharField(max_length=150)
    period_from = models.DateTimeField()
    report = models.JSONField(help_text="population (included, excluded with reasons), exceptions, totals")
    sha256 = models.CharField(max_length=64, help_text="Of the report in canonical JSON")
    exceptions = models.PositiveIntegerField()
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-at", "-pk"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Retention audit of {self.at:%Y-%m-%d}"
