"""How a restore goes: its steps as rows, and what undoes it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from restores.states import RollbackKind, RollbackState, StepState


class RestoreRun(models.Model):
    """The one execution of a request, by one job. `expected_seconds` is the plan's estimate."""

    request = models.OneToOneField("restores.RestoreRequest", on_delete=models.PROTECT, related_name="run")
    job = models.ForeignKey("ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    clone = models.ForeignKey(
        "restores.Clone", null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    expected_seconds = models.FloatField(null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    reached_at = models.DateTimeField(null=True, blank=True, help_text="The instant the data stands at")
    reached_position = models.CharField(max_length=64, blank=True)
    rto_seconds = models.FloatField(null=True, blank=True, help_text="Declaration to validated use")
    rto_parts = models.JSONField(
        default=dict, blank=True, help_text="Seconds: approval, queue, transfer, replay, load, checks, swap"
    )
    rpo_seconds = models.FloatField(null=True, blank=True, help_text="Requested less recovered time")
    message = models.TextField(blank=True, help_text="The delivery message")

    class Meta:
        ordering = ["-started_at"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"run of {self.request_id}"


class RestoreStep(models.Model):
    """One safe point to the next. A worker that takes over goes on with the first step that is not done."""

    run = models.ForeignKey(RestoreRun, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=24)
    title = models.CharField(max_length=200)
    database = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=8, choices=StepState.choices, default=StepState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    expected_seconds = models.FloatField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    bytes_done = models.BigIntegerField(default=0)
    note = models.CharField(max_length=1000, blank=True)
    evidence = models.JSONField(default=dict, blank=True, help_text="What the next steps and people need")

    class Meta:
        ordering = ["run", "position"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="restores_step_has_its_place"),
            models.UniqueConstraint(
                fields=["run"], condition=Q(state=StepState.RUNNING), name="restores_one_step_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.title}"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is not done."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


class RollbackPoint(models.Model):
    """What puts one target back as it was, and until when it can."""

    run = models.ForeignKey(RestoreRun, on_delete=models.PROTECT, related_name="rollback_points")
    kind = models.CharField(max_length=20, choices=RollbackKind.choices)
    state = models.CharField(max_length=12, choices=RollbackState.choices, default=RollbackState.MAKING)
    database = models.CharField(max_length=255, blank=True)
    facts = models.JSONField(default=dict, help_text="What the engine needs: names, OIDs, folders")
    expected_seconds = models.FloatField(null=True, blank=True)
    made_at = models.DateTimeField(null=True, blank=True)
    keep_until = models.DateTimeField(null=True, blank=True, db_index=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was used or let go")
    automatic = models.BooleanField(default=False)
    used_by = models.CharField(max_length=150, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    measured_seconds = models.FloatField(null=True, blank=True)
    validation = models.JSONField(default=list, blank=True, help_text="Checks made after rolling back")

    class Meta:
        ordering = ["run", "pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "database"], name="restores_one_rollback_point_per_target"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.state})"
