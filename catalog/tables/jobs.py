"""The columns of the list of jobs."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.safestring import SafeString

from catalog.tables.house import NUMBER, HouseTable, faint, link
from dataprotect.ops.models import Job
from dataprotect.ops.templatetags import show


class JobTable(HouseTable):
    title = tables.Column(verbose_name="Job")
    state = tables.Column(verbose_name="State")
    phase = tables.Column(empty_values=(), orderable=False, verbose_name="What happened")
    actor = tables.Column(verbose_name="Asked by")
    created_at = tables.Column(verbose_name="Asked")
    took = tables.Column(
        verbose_name="Took", empty_values=(), orderable=False, attrs=NUMBER, accessor="started_at"
    )

    class Meta(HouseTable.Meta):
        model = Job
        fields = ("title", "state", "phase", "actor", "created_at", "took")

    def render_title(self, record: Job) -> SafeString:
        return link(reverse("job", args=[record.pk]), record.title)

    def render_state(self, record: Job) -> SafeString:
        return show.state(record.state)

    def render_phase(self, record: Job) -> Any:
        if record.error_message:
            return record.error_message
        return show.words(record.phase) if record.phase and not record.is_terminal else faint("—")

    def render_created_at(self, value: Any) -> SafeString:
        return show.ago(value)

    def render_took(self, record: Job) -> Any:
        spent = record.duration
        return faint("not started") if spent is None else show.duration(spent.total_seconds())
