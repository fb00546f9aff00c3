"""Who does the work, and when each was last heard of."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Worker(models.Model):
    """One worker process of one host. It signs in when it begins or ends a job, and when it sweeps."""

    name = models.CharField(max_length=200, primary_key=True, help_text="host:pid")
    host = models.CharField(max_length=150)
    cluster = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=40)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)
    swept_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-seen_at"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name
