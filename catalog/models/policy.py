"""What protects an instance by itself: when, how often, how gently, and for how long it is kept."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from catalog.states import RunKind, RunState


class Policy(models.Model):
    """Times are in `timezone`; an empty cron expression means never."""

    name = models.CharField(max_length=63, unique=True)
    description = models.CharField(max_length=500, blank=True)
    tier = models.ForeignKey(
        "catalog.Tier", null=True, blank=True, on_delete=models.SET_NULL, related_name="policies",
        help_text="The tier it was made for",
    )  # fmt: skip
    timezone = models.CharField("time zone", max_length=63, default="UTC", help_text="A name of IANA")

    full_cron = models.CharField(
        "full", help_text="Minute, hour, day, month, weekday", max_length=100, blank=True
    )
    differential_cron = models.CharField(
        "differential", help_text="What changed since the full", max_length=100, blank=True
    )
    incremental_cron = models.CharField(
        "incremental", help_text="What changed since the last", max_length=100, blank=True
    )
    stream_logs = models.BooleanField(
        "stream the log", default=False, help_text="Continuously, so that any instant can be restored"
    )
    restore_test_cron = models.CharField(
        "restore test", help_text="Bring up and compare", max_length=100, blank=True
    )
    pitr_test_cron = models.CharField("test of a random instant", max_length=100, blank=True)
    audit_cron = models.CharField("retention audit", max_length=100, blank=True)

    backup_window_start = models.TimeField(null=True, blank=True, help_text="Backups start only after this")
    backup_window_end = models.TimeField(null=True, blank=True, help_text="and before this")
    late_after_minutes = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(7 * 24 * 60)],
        help_text="A run that has not succeeded this long after it was due is overdue",
    )
    max_concurrent = models.PositiveSmallIntegerField(
        "at once",
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(16)],
        help_text="Backups and tests of one instance at the same time",
    )
    bandwidth_limit = models.PositiveBigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(64 * 1024)],
        help_text="Bytes per second of one instance's backup; empty: as fast as it goes",
    )  # fmt: skip

    keep_daily_days = models.PositiveIntegerField(
        "daily for days", default=30, validators=[MaxValueValidator(36525)]
    )
    keep_weekly_days = models.PositiveIntegerField(
        "weekly for days", default=90, validators=[MaxValueValidator(36525)]
    )
    keep_monthly_days = models.PositiveIntegerField(
        "monthly for days", default=365, validators=[MaxValueValidator(36525)]
    )
    keep_yearly_days = models.PositiveIntegerField(
        "annual for days", default=2555, validators=[MaxValueValidator(36525)]
    )
    minimum_restore_tested = models.PositiveSmallIntegerField(
        "restore-tested at least",
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="The newest ones stay whatever their age",
    )
    log_window_days = models.PositiveIntegerField(
        "any instant of the last days", default=14, validators=[MaxValueValidator(36525)]
    )

    schedule_changed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="No run is due before this"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(backup_window_start=None, backup_window_end=None)
                | Q(backup_window_start__isnull=False, backup_window_end__isnull=False),
                name="catalog_policy_window_is_whole",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        """How audit events name it."""
        return f"policy:{self.pk}"


class Blackout(models.Model):
    """When no backup and no test begins: every week on some days, or once between two instants."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="blackouts")
    reason = models.CharField(max_length=200)
    weekdays = models.CharField(
        max_length=13, blank=True, help_text="ISO days, 1 is Monday: 1,2,3; empty: every day"
    )
    start_time = models.TimeField(null=True, blank=True, help_text="In the policy's time zone")
    end_time = models.TimeField(null=True, blank=True, help_text="Before the start: until the next day")
    starts_at = models.DateTimeField(null=True, blank=True, help_text="Once, from this instant")
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["policy", "starts_at", "start_time", "pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at=None, ends_at=None, start_time__isnull=False, end_time__isnull=False)
                | Q(
                    start_time=None,
                    end_time=None,
                    weekdays="",
                    starts_at__isnull=False,
                    ends_at__isnull=False,
                    ends_at__gt=F("starts_at"),
                ),
                name="catalog_blackout_is_weekly_or_once",
            )
        ]

    def __str__(self) -> str:
        return self.reason


class ScheduledRun(models.Model):
    """One occurrence of a schedule, met or not. The constraint is what makes two schedulers harmless."""

    subject = models.CharField(max_length=64, help_text="`instance:7`, or `installation`")
    instance = models.ForeignKey(
        "catalog.Instance", null=True, blank=True, on_delete=models.CASCADE, related_name="scheduled_runs"
    )
    repository = models.ForeignKey(
        "catalog.Repository", null=True, blank=True, on_delete=models.CASCADE, related_name="scheduled_runs"
    )
    policy = models.ForeignKey(
        Policy, null=True, blank=True, on_delete=models.SET_NULL, related_name="scheduled_runs"
    )
    kind = models.CharField(max_length=16, choices=RunKind.choices)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.WAITING)
    job = models.ForeignKey(
        "ops.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="scheduled_runs"
    )
    missed = models.PositiveIntegerField(default=0, help_text="Earlier occurrences that this one stands for")
    note = models.CharField(max_length=500, blank=True, help_text="Why it waits, was covered, or differs")
    noticed_at = models.DateTimeField(help_text="When a scheduler saw that it was due")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-due_at", "-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["instance", "kind", "-due_at"], name="catalog_run_of_instance"),
            models.Index(fields=["state", "due_at"], name="catalog_run_by_state"),
            models.Index(fields=["kind", "due_at"], name="catalog_run_by_kind"),
        ]
        constraints = [models.UniqueConstraint(fields=["subject", "kind", "due_at"], name="catalog_run_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.subject} due {self.due_at:%Y-%m-%d %H:%M}"
