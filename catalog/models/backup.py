"""One backup: what the seal in the repository says, and what was proved about it since."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from catalog.states import GOOD_BACKUP, BackupState, BackupType
from dataprotect.core.identifiers import BACKUP_ID


class Backup(models.Model):
    """A row exists only for a sealed backup; failed attempts are jobs."""

    backup_id = models.CharField(
        "backup ID", max_length=128, unique=True, validators=[RegexValidator(rf"\A(?:{BACKUP_ID.pattern})\Z")]
    )
    instance = models.ForeignKey("catalog.Instance", on_delete=models.PROTECT, related_name="backups")
    repository = models.ForeignKey("catalog.Repository", on_delete=models.PROTECT, related_name="backups")
    parents = models.ManyToManyField("self", symmetrical=False, related_name="dependents", blank=True)
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    type = models.CharField(max_length=16, choices=BackupType.choices, default=BackupType.FULL)
    state = models.CharField(max_length=16, choices=BackupState.choices, default=BackupState.STORED)
    state_changed_at = models.DateTimeField()
    failed_level = models.CharField(
        max_length=16, blank=True, help_text="Damaged: the level of verification that said so"
    )
    reader = models.CharField(max_length=16, blank=True)
    reader_reason = models.CharField(max_length=500, blank=True)

    started_at = models.DateTimeField()
    stopped_at = models.DateTimeField(help_text="It restores to this instant")
    seconds = models.FloatField()
    start_position = models.CharField(max_length=64)
    stop_position = models.CharField(max_length=64)
    fingerprint_position = models.CharField(max_length=64, blank=True)
    timeline = models.PositiveIntegerField(default=1)
    system_identifier = models.CharField(max_length=32, blank=True)
    server_version = models.CharField(max_length=120, blank=True)

    files = models.PositiveBigIntegerField(default=0)
    bytes_read = models.PositiveBigIntegerField(default=0)
    bytes_stored = models.PositiveBigIntegerField(default=0)
    object_count = models.PositiveIntegerField(default=0)
    peak_memory = models.PositiveBigIntegerField(default=0)
    data_key_id = models.CharField("data key ID", max_length=128, blank=True)
    bad_pages = models.JSONField(default=list, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    rebuilt_at = models.DateTimeField(
        null=True, blank=True, help_text="This row was recreated from the repository"
    )

    class Meta:
        ordering = ["-stopped_at", "-pk"]
        indexes = [
            models.Index(fields=["-stopped_at", "-id"], name="catalog_backup_newest"),
            models.Index(fields=["instance", "-stopped_at"], name="catalog_backup_of_instance"),
            models.Index(fields=["state", "-stopped_at"], name="catalog_backup_by_state"),
            models.Index(fields=["repository", "-stopped_at"], name="catalog_backup_in_repository"),
        ]

    def __str__(self) -> str:
        return self.backup_id

    @property
    def is_good(self) -> bool:
        return self.state in GOOD_BACKUP

    @property
    def subject(self) -> str:
        """How jobs and audit events name it."""
        return f"backup:{self.backup_id}"
