"""The columns of the list of alerts."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.tables.house import HouseTable, faint
from dataprotect.ops.models import Alert
from dataprotect.ops.templatetags import show


class AlertTable(HouseTable):
    title = tables.Column(verbose_name="Alert")
    severity = tables.Column(verbose_name="Severity", orderable=False)
    state = tables.Column(verbose_name="State")
    owner = tables.Column(verbose_name="Owner", empty_values=(), order_by=("owner__username",))
    first_seen_at = tables.Column(verbose_name="Since")
    last_seen_at = tables.Column(verbose_name="Last found")

    class Meta(HouseTable.Meta):
        model = Alert
        fields = ("title", "severity", "state", "owner", "first_seen_at", "last_seen_at")

    def render_title(self, record: Alert) -> SafeString:
        return format_html(
            '<a class="row-link wrap-anywhere" href="{}">{}</a>', reverse("alert", args=[record.pk]),
            record.title,
        )  # fmt: skip

    def render_severity(self, record: Alert) -> SafeString:
        return show.state(record.severity)

    def render_state(self, record: Alert) -> SafeString:
        shown = show.state(record.state)
        if record.state != "snoozed":
            return shown
        return format_html('{}<span class="sub">until {}</span>', shown, show.minute(record.snoozed_until))

    def render_owner(self, record: Alert) -> Any:
        return record.owner.get_username() if record.owner else faint("nobody")

    def render_first_seen_at(self, value: Any) -> SafeString:
        return show.ago(value)

    def render_last_seen_at(self, record: Alert) -> SafeString:
        times = "once" if record.count == 1 else f"{record.count:,} times"
        return format_html('{}<span class="sub">{}</span>', show.ago(record.last_seen_at), times)
