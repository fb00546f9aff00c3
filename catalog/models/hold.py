"""Legal holds: what must not be deleted, for whom and why."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q


class LegalHold(models.Model):
    """Covers one backup, or (without a backup) everything of an instance, now and later.

    It protects what the backup depends on too: its parents and the log its restore needs.
    Rows are never removed; a hold ends by its own end date or by being lifted, which takes two persons.
    """

    instance = models.ForeignKey("catalog.Instance", on_delete=models.PROTECT, related_name="holds")
    backup = models.ForeignKey(
        "catalog.Backup", null=True, blank=True, on_delete=models.PROTECT, related_name="holds",
        help_text="Empty: every backup of the instance and all of its log",
    )  # fmt: skip
    reason = models.CharField(max_length=500)
    owner = models.CharField(max_length=150, help_text="Who answers questions about it")
    matter = models.CharField("matter reference", max_length=150)
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is lifted")
    placed_at = models.DateTimeField()
    placed_by = models.CharField(max_length=150)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True, help_text="Who asked for it, and who approved")

    class Meta:
        ordering = ["-placed_at", "-pk"]
        verbose_name = "legal hold"
        indexes = [
            models.Index(fields=["instance", "lifted_at"], name="catalog_hold_of_instance"),
            models.Index(fields=["backup", "lifted_at"], name="catalog_hold_of_backup"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gt=F("placed_at")), name="catalog_hold_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by="") | (~Q(lifted_at=None) & ~Q(lifted_by="")),
                name="catalog_hold_lifted_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(matter="") & ~Q(owner=""), name="catalog_hold_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.matter}: {self.backup or self.instance}"

    def is_active(self, at: datetime) -> bool:
        return self.lifted_at is None and (self.until is None or self.until > at)

    @property
    def subject(self) -> str:
        """How audit events name it."""
        return f"legalhold:{self.pk}"
