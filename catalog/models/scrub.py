"""Rereading what is stored, bit by bit: how far that is, and what each run found."""

from __future__ import annotations

from django.db import models


class ScrubProgress(models.Model):
    """One backup on its way through the current pass: every object of it is read once per pass."""

    backup = models.OneToOneField("catalog.Backup", on_delete=models.CASCADE, related_name="scrub")
    cursor = models.CharField(
        max_length=255, blank=True, help_text="The last object read in this pass; empty: it has not begun"
    )
    pass_began_at = models.DateTimeField(null=True, blank=True)
    last_read_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last whole pass began: every object was read after this"
    )
    objects_read = models.PositiveIntegerField(default=0, help_text="In this pass")
    bytes_read = models.PositiveBigIntegerField(default=0, help_text="In this pass")
    seconds = models.FloatField(default=0, help_text="Spent reading in this pass")
    findings = models.JSONField(default=list, blank=True, help_text="[{object, problem}] of this pass")

    class Meta:
        default_permissions = ("view",)
        verbose_name_plural = "scrub progress"
        indexes = [models.Index(fields=["last_read_at"], name="catalog_scrub_oldest")]

    def __str__(self) -> str:
        return f"scrub of {self.backup_id}"


class LogScrub(models.Model):
    """The stored log of one instance in one repository, on its way through the current pass."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="log_scrubs")
    repository = models.ForeignKey("catalog.Repository", on_delete=models.CASCADE, related_name="log_scrubs")
    cursor = models.CharField(
        max_length=400, blank=True, help_text="The last object read in this pass; empty: it has not begun"
    )
    pass_began_at = models.DateTimeField(null=True, blank=True)
    last_read_at = models.DateTimeField(null=True, blank=True, help_text="When the last whole pass began")
    damaged = models.JSONField(default=list, blank=True, help_text="[{object, problem}] of this pass")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["instance", "repository"], name="catalog_log_scrub_once")
        ]

    def __str__(self) -> str:
        return f"scrub of the log of {self.instance}"


class ScrubRun(models.Model):
    """One share of one repository, reread. Never changed after it is written: evidence."""

    repository = models.ForeignKey("catalog.Repository", on_delete=models.CASCADE, related_name="scrub_runs")
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    objects_count = models.PositiveIntegerField("objects")
    bytes_read = models.PositiveBigIntegerField()
    backups_finished = models.PositiveIntegerField(help_text="Backups whose pass ended in this run")
    findings = models.JSONField(default=list, blank=True, help_text="[{object, problem}]")
    oldest_read_at = models.DateTimeField(
        null=True, blank=True, help_text="Afterwards: no stored object was read longer ago than this"
    )
    worker = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-finished_at", "-pk"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["repository", "-finished_at"], name="catalog_scrub_newest")]

    def __str__(self) -> str:
        return f"{self.repository} {self.finished_at:%Y-%m-%d %H:%M}"


class RepositoryUsage(models.Model):
    """How full a repository was at an instant, for the forecast. Thinned to one a day with age."""

    repository = models.ForeignKey("catalog.Repository", on_delete=models.CASCADE, related_name="usage")
    at = models.DateTimeField()
    stored_bytes = models.PositiveBigIntegerField()
    free_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Empty where the place does not say"
    )

    class Meta:
        ordering = ["repository", "at"]
        default_permissions = ("view",)
        verbose_name_plural = "repository usage"
        constraints = [
            models.UniqueConstraint(fields=["repository", "at"], name="catalog_usage_once_per_instant")
        ]

    def __str__(self) -> str:
        return f"{self.repository_id} at {self.at:%Y-%m-%d %H:%M}"
