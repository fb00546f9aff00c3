"""The list of restores."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.tables.house import HouseTable, faint
from dataprotect.ops.templatetags import show
from restores.models import RestoreRequest


class RestoreTable(HouseTable):
    restore_id = tables.Column(verbose_name="Restore")
    state = tables.Column(verbose_name="State")
    instance = tables.Column(verbose_name="From", order_by=("instance__name",))
    target_instance = tables.Column(verbose_name="Onto", empty_values=(), order_by=("target_instance__name",))
    requested_by_name = tables.Column(verbose_name="Asked by")
    created_at = tables.Column(verbose_name="Asked")
    rto = tables.Column(verbose_name="RTO measured", empty_values=(), orderable=False)

    class Meta(HouseTable.Meta):
        model = RestoreRequest
        fields = (
            "restore_id", "state", "instance", "target_instance", "requested_by_name", "created_at", "rto",
        )  # fmt: skip

    def render_restore_id(self, record: RestoreRequest) -> SafeString:
        link = format_html(
            '<a class="row-link mono" href="{}">{}</a>',
            reverse("restore", args=[record.restore_id]), record.restore_id,
        )  # fmt: skip
        return format_html('{}<span class="sub wrap-anywhere">{}</span>', link, record.get_scope_display())

    def render_state(self, record: RestoreRequest) -> SafeString:
        return show.state(record.state)

    def render_instance(self, record: RestoreRequest) -> str:
        return record.instance.name

    def render_target_instance(self, record: RestoreRequest) -> Any:
        return record.target_instance.name if record.target_instance else faint("isolated clone")

    def render_created_at(self, value: Any) -> SafeString:
        return show.ago(value)

    def render_rto(self, record: RestoreRequest) -> Any:
        run = getattr(record, "run", None)
        return show.duration(run.rto_seconds) if run is not None else faint("not run")
