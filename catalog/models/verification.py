"""A dated proof, or disproof, with its evidence. Never changed after it is written."""

from __future__ import annotations

from django.db import models

from catalog.states import VerificationLevel


class Verification(models.Model):
    backup = models.ForeignKey("catalog.Backup", on_delete=models.PROTECT, related_name="verifications")
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    level = models.CharField(max_length=16, choices=VerificationLevel.choices)
    passed = models.BooleanField()
    checks = models.JSONField(help_text="[{name, passed, expected, found}]; passed null: not applicable")
    timings = models.JSONField(default=dict, blank=True, help_text="Seconds per part")
    seconds = models.FloatField()
    rto_seconds = models.FloatField(
        null=True, blank=True, help_text="Restore test: first byte fetched to a server compared"
    )
    bytes_read = models.PositiveBigIntegerField(default=0)
    bytes_replayed = models.PositiveBigIntegerField(default=0, help_text="Restore test: bytes of log")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_index=True)
    worker = models.CharField(max_length=255, blank=True, help_text="Host on which it was measured")

    class Meta:
        ordering = ["-finished_at", "-pk"]
        indexes = [
            models.Index(fields=["backup", "-finished_at"], name="catalog_verification_backup"),
            models.Index(fields=["level", "passed", "-finished_at"], name="catalog_verification_level"),
        ]

    def __str__(self) -> str:
        return f"{self.level} of {self.backup_id}"

    @property
    def failed_checks(self) -> list[dict[str, object]]:
        return [check for check in self.checks if check.get("passed") is False]
