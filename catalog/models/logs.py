"""The log of each instance: what is stored without a break, what is missing, and who is collecting it.

Positions are the server's own text (`0/5F3A2C8`).
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from catalog.states import CollectorState


class LogStretch(models.Model):
    """An unbroken stretch of log, extended by each ship. It has a gap, or nothing, on both sides."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="log_stretches")
    repository = models.ForeignKey(
        "catalog.Repository", on_delete=models.PROTECT, related_name="log_stretches"
    )
    lineage = models.CharField(
        max_length=64,
        blank=True,
        help_text="The first stream of an unbroken chain of streams; a server that went back begins another",
    )
    system_identifier = models.CharField(max_length=32)
    timeline = models.PositiveIntegerField()
    start_position = models.CharField(max_length=32)
    end_position = models.CharField(max_length=32)
    start_at = models.DateTimeField(null=True, blank=True, help_text="Of the server's clock, by heartbeat")
    end_at = models.DateTimeField(
        null=True, blank=True, help_text="Everything committed by then lies inside; by heartbeat"
    )
    objects_count = models.PositiveIntegerField("objects", default=0)
    bytes = models.PositiveBigIntegerField(default=0, help_text="As stored")

    class Meta:
        ordering = ["instance", "timeline", "pk"]
        default_permissions = ("view",)
        verbose_name_plural = "log stretches"
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "lineage", "timeline", "start_position"], name="catalog_stretch_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.instance} timeline {self.timeline} {self.start_position} to {self.end_position}"


class LogHistory(models.Model):
    """A timeline's history file as the server wrote it: where each earlier timeline was left."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="log_histories")
    lineage = models.CharField(max_length=64, blank=True)
    timeline = models.PositiveIntegerField()
    content = models.TextField()

    class Meta:
        ordering = ["instance", "timeline"]
        default_permissions = ("view",)
        verbose_name_plural = "log histories"
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "lineage", "timeline"], name="catalog_log_history_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.instance} timeline {self.timeline}"


class LogGap(models.Model):
    """Log that nobody can store any more. It stays until the window it lies in is gone."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="log_gaps")
    timeline = models.PositiveIntegerField()
    from_position = models.CharField(max_length=32)
    to_position = models.CharField(max_length=32)
    from_at = models.DateTimeField(null=True, blank=True)
    to_at = models.DateTimeField(null=True, blank=True)
    code = models.CharField(max_length=64, help_text="Stable, such as logs.wal_removed")
    reason = models.CharField(max_length=500, help_text="One sentence")
    noticed_at = models.DateTimeField()
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-noticed_at", "-pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["instance", "timeline", "from_position", "to_position"], name="catalog_gap_once"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_by="", acknowledged_at=None)
                | (~Q(acknowledged_by="") & Q(acknowledged_at__isnull=False)),
                name="catalog_gap_acknowledged_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instance} {self.from_position} to {self.to_position}: {self.code}"


class Heartbeat(models.Model):
    """At this instant of the server's clock the log ended here. Thinned with age."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="heartbeats")
    at = models.DateTimeField()
    position = models.CharField(max_length=32)
    timeline = models.PositiveIntegerField()

    class Meta:
        ordering = ["instance", "at"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["instance", "at"], name="catalog_heartbeat_once")]

    def __str__(self) -> str:
        return f"{self.instance} {self.at:%H:%M:%S} {self.position}"


class RpoSample(models.Model):
    """What a loss of the server would have cost, measured by log position. Thinned with age."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="rpo_samples")
    at = models.DateTimeField()
    exposure_seconds = models.FloatField(
        help_text="The worst moment since the sample before: age of the newest commit surely stored"
    )
    achieved_seconds = models.FloatField(
        null=True, blank=True, help_text="The same at the end of the latest ship; empty when none was made"
    )

    class Meta:
        ordering = ["instance", "at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["instance", "at"], name="catalog_rpo_sample_once"),
            models.CheckConstraint(condition=Q(exposure_seconds__gte=0), name="catalog_rpo_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.instance} {self.at:%H:%M:%S} {self.exposure_seconds:.1f} s"


class LogCollector(models.Model):
    """One row per instance: whether its log is wanted, who collects it, and how far that is."""

    instance = models.OneToOneField(
        "catalog.Instance", on_delete=models.CASCADE, related_name="log_collector"
    )
    wanted = models.BooleanField(
        null=True, blank=True, help_text="Empty: as the policy says; else this instance's own choice"
    )
    lease_owner = models.CharField(max_length=160, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fencing = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=CollectorState.choices, default=CollectorState.OFF)
    state_changed_at = models.DateTimeField(null=True, blank=True)
    timeline = models.PositiveIntegerField(default=0)
    received_position = models.CharField(max_length=32, blank=True)
    shipped_position = models.CharField(max_length=32, blank=True)
    lag_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="Server's end to stored end")
    lag_seconds = models.FloatField(null=True, blank=True, help_text="Age of the newest commit surely stored")
    last_shipped_at = models.DateTimeField(null=True, blank=True)
    slot_name = models.CharField(max_length=63, blank=True)
    slot_address = models.CharField(
        max_length=300, blank=True, help_text="Where the slot was made, so that it can be dropped there"
    )
    slots_left = models.JSONField(
        default=list,
        blank=True,
        help_text="host:port where it was streamed from before and a slot may be left",
    )
    slot_status = models.CharField(max_length=16, blank=True, help_text="The server's wal_status")
    slot_retained_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row; none while it streams")
    next_try_at = models.DateTimeField(null=True, blank=True)
    last_error_code = models.CharField(max_length=64, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    base_reason = models.CharField(
        max_length=500, blank=True, help_text="Why a new full backup is needed; empty once it is taken"
    )
    base_needed_since = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["instance"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(lease_owner="") | Q(lease_until__isnull=False),
                name="catalog_collector_lease_ends",
            ),
        ]
        indexes = [models.Index(fields=["state"], name="catalog_collector_state")]

    def __str__(self) -> str:
        return f"log of {self.instance}"


class BackupLogCheck(models.Model):
    """Whether the log from a backup's start to its stop lies unbroken in the repository."""

    backup = models.OneToOneField("catalog.Backup", on_delete=models.CASCADE, related_name="log_check")
    continuous = models.BooleanField()
    found = models.CharField(max_length=500, blank=True, help_text="What is missing, in a sentence")
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ["-checked_at"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.backup}: {'unbroken' if self.continuous else self.found}"
