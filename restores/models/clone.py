"""What was brought back from a backup, and where it is."""

from __future__ import annotations

from django.db import models

from restores.states import CloneState


class Clone(models.Model):
    """An isolated server brought up from a backup. The DSN names a private socket and holds no password."""

    clone_id = models.CharField("clone ID", max_length=128, unique=True)
    backup = models.ForeignKey("catalog.Backup", on_delete=models.PROTECT, related_name="clones")
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(
        max_length=16, choices=CloneState.choices, default=CloneState.READY, db_index=True
    )
    dsn = models.CharField("DSN", max_length=1024, blank=True)
    data_directory = models.CharField(max_length=1024, blank=True)
    socket_directory = models.CharField(max_length=1024, blank=True)
    port = models.PositiveIntegerField(null=True, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    worker = models.CharField(max_length=255, blank=True, help_text="Host it runs on")
    target = models.CharField(max_length=200, blank=True, help_text="Empty: the backup's own stop")
    reached_position = models.CharField(max_length=64, blank=True)
    reached_at = models.DateTimeField(
        null=True, blank=True, help_text="Commit time of the last transaction replayed"
    )
    reached_reason = models.CharField(max_length=200, blank=True, help_text="In the server's words")
    timings = models.JSONField(default=dict, blank=True)
    created_by = models.CharField(max_length=150, help_text="User name, or system:<unix user>")
    ready_at = models.DateTimeField()
    dropped_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(db_index=True, help_text="Swept after this instant")

    class Meta:
        ordering = ["-ready_at", "-pk"]

    def __str__(self) -> str:
        return self.clone_id


class RestoredFolder(models.Model):
    """A data directory written from a backup for a person to start."""

    backup = models.ForeignKey("catalog.Backup", on_delete=models.PROTECT, related_name="restored_folders")
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    folder = models.CharField(max_length=1024)
    target = models.CharField(max_length=200, blank=True, help_text="Where its server will recover to")
    tablespaces = models.JSONField(default=dict, blank=True, help_text="{name: folder}")
    files = models.PositiveBigIntegerField(default=0)
    bytes_written = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    worker = models.CharField(max_length=255, blank=True)
    created_by = models.CharField(max_length=150)
    finished_at = models.DateTimeField()

    class Meta:
        ordering = ["-finished_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.backup_id} in {self.folder}"
