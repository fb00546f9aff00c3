"""One unit of background work, and what it said."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from dataprotect.ops import states


class Job(models.Model):
    """The truth about one piece of work; the queue's message only says "look at this row".

    Written by `ops.queue`, `ops.runner`, `ops.context`, `ops.sweeper` and `ops.services.jobs` alone.
    `arguments` and `result` never hold a secret. Sizes are bytes, `rate` is
    bytes a second, `eta_seconds` are seconds from `progress_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.CharField(max_length=200)
    kind = models.CharField(max_length=60, help_text="The task's own name, such as run_backup.")
    title = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict, blank=True)
    subject = models.CharField(max_length=200, blank=True, help_text="What it is about, such as instance:12.")
    actor = models.CharField(max_length=150)
    cluster = models.CharField(max_length=100, blank=True)
    exclusive = models.CharField(max_length=200, blank=True)
    foreground = models.BooleanField(default=False, help_text="A command runs it; workers leave it alone.")
    max_attempts = models.PositiveSmallIntegerField(default=3)

    state = models.CharField(max_length=10, default=states.QUEUED, choices=[(s, s) for s in states.STATES])
    lease_owner = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fencing = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    dispatches = models.PositiveIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)

    phase = models.CharField(max_length=120, blank=True)
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(null=True, blank=True)
    rate = models.FloatField(null=True, blank=True)
    eta_seconds = models.FloatField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True)

    result = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    error_action = models.TextField(blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="job_newest_first"),
            models.Index(fields=["state", "lease_until"], name="job_state_lease"),
            models.Index(fields=["subject", "-created_at"], name="job_subject"),
            models.Index(fields=["exclusive", "state"], name="job_exclusive"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["exclusive"],
                condition=Q(state=states.RUNNING) & ~Q(exclusive=""),
                name="job_one_running_per_exclusive_key",
            ),
            models.CheckConstraint(condition=Q(state__in=states.STATES), name="job_state_known"),
        ]
        permissions = [("cancel_job", "Can cancel a job")]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    def get_absolute_url(self) -> str:
        try:
            return reverse("job", args=[self.pk])
        except NoReverseMatch:
            return f"/jobs/{self.pk}/"

    @property
    def short_id(self) -> str:
        """Eight characters, for people; never used to look a job up."""
        return str(self.pk)[:8]

    @property
    def is_terminal(self) -> bool:
        return self.state in states.TERMINAL

    @property
    def percent(self) -> float | None:
        """0-100, or None where the total is not known."""
        if self.state == states.SUCCEEDED:
            return 100.0
        if not self.bytes_total:
            return None
        return min(100.0, 100.0 * self.bytes_done / self.bytes_total)

    @property
    def duration(self) -> timedelta | None:
        """From the first start to the end, or to now while it runs."""
        if self.started_at is None:
            return None
        return (self.finished_at or timezone.now()) - self.started_at

    @property
    def error(self) -> dict[str, Any] | None:
        """`{"code", "message", "action"}` of a job that did not succeed, else None."""
        if not self.error_code:
            return None
        return {"code": self.error_code, "message": self.error_message, "action": self.error_action}


class JobLogLine(models.Model):
    """One line a person reads, in the order it was said."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines")
    at = models.DateTimeField(default=timezone.now)
    attempt = models.PositiveSmallIntegerField(default=1)
    text = models.CharField(max_length=2000)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text
