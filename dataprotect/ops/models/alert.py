"""Alerts, where they are sent, and every message about one."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from dataprotect.ops.alert_states import AlertState, DeliveryKind, DeliveryState, Severity


class Alert(models.Model):
    """Something is off with one subject. Raised again while unresolved, it counts up instead of multiplying.

    Changes are audit events about `alert:<pk>`; the row holds how things stand now.
    """

    rule = models.CharField(max_length=60, help_text="Which rule found it, such as backup_overdue")
    subject = models.CharField(max_length=200, blank=True, help_text="What it is about, such as instance:12")
    dedupe_key = models.CharField(max_length=250, help_text="One unresolved alert per key")
    severity = models.CharField(max_length=10, choices=Severity.choices)
    title = models.CharField(max_length=200)
    detail = models.TextField(blank=True)
    link = models.CharField(max_length=500, blank=True, help_text="Path of the page that helps")

    state = models.CharField(max_length=14, choices=AlertState.choices, default=AlertState.OPEN)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1, help_text="How often it was found since it was raised")
    notified_at = models.DateTimeField(null=True, blank=True, help_text="When channels were last told")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_note = models.CharField(max_length=500, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=150, blank=True)
    resolved_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-last_seen_at", "-pk"]
        default_permissions = ("view",)
        permissions = [("handle_alert", "Can acknowledge, snooze, assign and resolve alerts")]
        indexes = [
            models.Index(fields=["state", "severity", "-last_seen_at"], name="alert_state_severity"),
            models.Index(fields=["subject", "-last_seen_at"], name="alert_subject"),
            models.Index(fields=["rule", "state"], name="alert_rule_state"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["dedupe_key"],
                condition=~Q(state=AlertState.RESOLVED),
                name="alert_one_unresolved_per_key",
            ),
            models.CheckConstraint(condition=Q(state__in=AlertState.values), name="alert_state_known"),
            models.CheckConstraint(
                condition=~Q(state=AlertState.SNOOZED) | Q(snoozed_until__isnull=False),
                name="alert_snoozed_until_an_instant",
            ),
            models.CheckConstraint(
                condition=~Q(state=AlertState.RESOLVED) | Q(resolved_at__isnull=False),
                name="alert_resolved_at_an_instant",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_resolved(self) -> bool:
        return self.state == AlertState.RESOLVED


class AlertChannel(models.Model):
    """A place alerts are sent to. Its address carries tokens and passwords: it is sealed and write-only."""

    name = models.CharField(max_length=63, unique=True)
    url_sealed = models.TextField(
        blank=True, editable=False, help_text="Apprise address; AES-256-GCM, bound to this row; write-only"
    )
    service = models.CharField(max_length=60, help_text="What kind of place it is, such as slack or mailtos")
    minimum_severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    rules = models.JSONField(default=list, blank=True, help_text="Only these rules; empty: every rule")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    last_sent_at = models.DateTimeField(null=True, blank=True)
    last_problem = models.CharField(max_length=500, blank=True, help_text="Why the last message failed")

    class Meta:
        ordering = ["name"]
        verbose_name = "alert channel"

    def __str__(self) -> str:
        return self.name


class AlertDelivery(models.Model):
    """One message to one channel, written with the change it tells of and sent afterwards: at least once."""

    alert = models.ForeignKey(
        Alert, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=10, choices=DeliveryKind.choices)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    title = models.CharField(max_length=250)
    body = models.TextField(blank=True)

    state = models.CharField(max_length=8, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(help_text="Not before; moves on with every failure")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A sender that died lets go then")
    problem = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name_plural = "alert deliveries"
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["state", "due_at"], name="alert_delivery_due"),
            models.Index(fields=["channel", "-created_at"], name="alert_delivery_of_channel"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known")
        ]

    def __str__(self) -> str:
        return f"{self.title} to {self.channel_id}"
