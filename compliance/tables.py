"""The columns of the audit list."""

from __future__ import annotations

import json
from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dataprotect.ops.models import AuditEvent
from dataprotect.ops.templatetags import show

_LONGEST_SHOWN = 120


class AuditTable(tables.Table):
    label = ""
    sequence = tables.Column(verbose_name="Event")
    at = tables.Column(verbose_name="When")
    actor = tables.Column(verbose_name="Who")
    verb = tables.Column(verbose_name="What")
    subject = tables.Column(
        accessor="subject_type", verbose_name="About", order_by=("subject_type", "subject_id")
    )
    details = tables.Column(accessor="data_json", verbose_name="Details", orderable=False)

    class Meta:
        model = AuditEvent
        template_name = "partials/table.html"
        fields = ("sequence", "at", "actor", "verb", "subject", "details")

    def render_sequence(self, value: int) -> SafeString:
        return format_html(
            '<a class="row-link" href="{}">{}</a>', reverse("audit_event", args=[value]), value
        )

    def render_at(self, value: Any) -> SafeString:
        return show.when(value)

    def render_verb(self, value: str) -> SafeString:
        return format_html('<span class="mono nowrap">{}</span>', value)

    def render_subject(self, record: AuditEvent) -> SafeString:
        return subject_link(record)

    def render_details(self, value: str) -> SafeString:
        text = _in_words(value)
        text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
        return format_html('<span class="details">{}</span>', text)


def _in_words(canonical: str) -> str:
    """`{"from":"stored","to":"checked"}` as `from stored · to checked`; the event's page has the JSON."""
    data = json.loads(canonical)
    shown = (
        (name.replace("_", " "), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in data.items()
    )
    return show.visible(" · ".join(f"{name} {value}" for name, value in shown if value != ""))


LINKED = {"instance", "backup", "job", "repository", "verification"}


def subject_link(event: AuditEvent) -> SafeString:
    """`instance 12`, leading to its page where it has one."""
    kind, key = event.subject_type, event.subject_id
    if not kind:
        return format_html('<span class="faint">{}</span>', "—")
    short = f"{kind} {key[:8]}" if kind == "job" else f"{kind} {key}"
    if kind not in LINKED or not key or "/" in key:
        return format_html("{}", short)
    return format_html(
        '<a class="plain-link wrap-anywhere" href="{}">{}</a>', reverse("subject", args=[kind, key]), short
    )
