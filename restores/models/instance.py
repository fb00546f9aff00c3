"""What restoring onto an instance needs that backing it up does not."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from restores.states import SmokeTestKind


class RestoreSettings(models.Model):
    """The account that may write, how to stop and start the server, and when a restore undoes itself.

    The account of backups only reads. This one is separate, its password sealed like every other.
    """

    instance = models.OneToOneField(
        "catalog.Instance", on_delete=models.CASCADE, primary_key=True, related_name="restore_settings"
    )
    user = models.CharField("restore account", max_length=63, blank=True)
    password_sealed = models.TextField(
        blank=True, editable=False, help_text="AES-256-GCM, bound to this row; write-only"
    )
    stop_command = models.JSONField(default=list, blank=True, help_text="Argument list; there is no shell")
    start_command = models.JSONField(default=list, blank=True, help_text="Argument list; there is no shell")
    jobs = models.PositiveSmallIntegerField(
        "parallel jobs", default=2, validators=[MinValueValidator(1), MaxValueValidator(64)]
    )
    keep_hours = models.PositiveIntegerField(
        "keep the old copy for", default=72, validators=[MinValueValidator(1)], help_text="Hours"
    )
    watch_seconds = models.PositiveIntegerField(
        "watch for", default=300, validators=[MaxValueValidator(3600)], help_text="Seconds after each swap"
    )
    drain_seconds = models.PositiveIntegerField(
        "let connections end for", default=10, validators=[MaxValueValidator(600)]
    )
    duration_limit_percent = models.PositiveIntegerField(
        default=150, help_text="Of the estimate; beyond it the restore is rolled back"
    )
    mismatch_limit_permille = models.FloatField(
        default=1.0, validators=[MinValueValidator(0.0)], help_text="Rows that may differ: 1.0 is 0.1 %"
    )
    free_limit_percent = models.PositiveIntegerField(
        default=10, help_text="Less free disk on the target than this rolls the restore back"
    )
    http_prefixes = models.JSONField(
        default=list,
        blank=True,
        help_text="Where smoke tests over HTTP may go, such as https://shop.example/",
    )

    class Meta:
        verbose_name_plural = "restore settings"
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"restore settings of {self.instance_id}"


class SmokeTest(models.Model):
    """An application's own question, asked after every restore of its database."""

    instance = models.ForeignKey("catalog.Instance", on_delete=models.CASCADE, related_name="smoke_tests")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=4, choices=SmokeTestKind.choices, default=SmokeTestKind.SQL)
    database = models.CharField(max_length=63, blank=True, help_text="Empty: any that is restored")
    question = models.TextField(help_text="A query that reads, or an address")
    expected = models.CharField(
        max_length=500, blank=True,
        help_text="First value as text, or words on the page; empty: any value, any page with status 200",
    )  # fmt: skip
    timeout_seconds = models.PositiveIntegerField(default=10, validators=[MaxValueValidator(300)])
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["instance", "name"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "name"], name="restores_smoke_test_name_once")
        ]

    def __str__(self) -> str:
        return self.name
