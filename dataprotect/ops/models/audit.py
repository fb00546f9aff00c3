"""What was done, by whom, in a chain that cannot be changed unnoticed."""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class AuditEvent(models.Model):
    """One link. Its hash covers every field and the previous link's hash; see `ops.chain`.

    Database triggers refuse UPDATE and DELETE. Only `services.audit.audit_record` inserts.
    """

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150, db_index=True)
    verb = models.CharField(max_length=100, db_index=True)
    subject_type = models.CharField(max_length=100, blank=True)
    subject_id = models.CharField(max_length=200, blank=True)
    data_json = models.TextField(default="{}", help_text="Canonical JSON, exactly as hashed.")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-sequence"]
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="audit_subject")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.sequence} {self.verb}"

    @property
    def data(self) -> dict[str, Any]:
        """What the event says beyond its columns, as plain data."""
        parsed: dict[str, Any] = json.loads(self.data_json)
        return parsed


class AuditHead(models.Model):
    """Where the chain ends (one row), sealed with a key that lies outside the database.

    Without it, cutting the newest events off would leave a shorter chain that still proves itself.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sequence = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_head_is_one_row")]

    def __str__(self) -> str:
        return f"head at {self.sequence}"
