"""The columns of the lists about keeping: holds, requests for a second person."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.models import ChangeRequest, LegalHold
from catalog.tables.house import HouseTable, faint
from dataprotect.core import clock
from dataprotect.ops.templatetags import show


class HoldTable(HouseTable):
    matter = tables.Column(verbose_name="Matter")
    instance = tables.Column(verbose_name="Holds", order_by=("instance__name",))
    state = tables.Column(accessor="placed_at", verbose_name="State", orderable=False)
    owner = tables.Column(verbose_name="Owner")
    until = tables.Column(verbose_name="Until", empty_values=())
    placed_at = tables.Column(verbose_name="Placed")

    class Meta(HouseTable.Meta):
        model = LegalHold
        fields = ("matter", "instance", "state", "owner", "until", "placed_at")

    def render_matter(self, record: LegalHold) -> SafeString:
        title = format_html(
            '<a class="row-link" href="{}">{}</a>', reverse("hold", args=[record.pk]), record.matter
        )
        return format_html('{}<span class="sub wrap-anywhere">{}</span>', title, record.reason)

    def render_instance(self, record: LegalHold) -> SafeString:
        address = reverse("instance", args=[record.instance.name])
        name = format_html('<a class="plain-link" href="{}">{}</a>', address, record.instance.name)
        if record.backup is None:
            return format_html('{}<span class="sub">everything</span>', name)
        backup = reverse("backup", args=[record.backup.backup_id])
        return format_html(
            '{}<span class="sub"><a class="plain-link mono" href="{}">{}</a></span>', name, backup,
            record.backup.backup_id,
        )  # fmt: skip

    def render_state(self, record: LegalHold) -> SafeString:
        return hold_state(record)

    def render_until(self, value: Any) -> Any:
        return show.minute(value) if value else faint("it is lifted")

    def render_placed_at(self, record: LegalHold) -> SafeString:
        return format_html(
            '{}<span class="sub">by {}</span>', show.minute(record.placed_at), record.placed_by
        )


def hold_state(hold: LegalHold) -> SafeString:
    if hold.is_active(clock.now()):
        return show.state("active", "Holds", "run", "hold")
    return show.state("retired", "Lifted" if hold.lifted_at else "Over")


class ChangeTable(HouseTable):
    title = tables.Column(verbose_name="Request")
    state = tables.Column(verbose_name="State")
    instance = tables.Column(verbose_name="Instance", empty_values=(), order_by=("instance__name",))
    requested_by_name = tables.Column(verbose_name="Asked by")
    requested_at = tables.Column(verbose_name="Asked")
    expires_at = tables.Column(verbose_name="Decide by")

    class Meta(HouseTable.Meta):
        model = ChangeRequest
        fields = ("title", "state", "instance", "requested_by_name", "requested_at", "expires_at")

    def render_title(self, record: ChangeRequest) -> SafeString:
        title = format_html(
            '<a class="row-link wrap-anywhere" href="{}">{}</a>', reverse("change", args=[record.pk]),
            record.title,
        )  # fmt: skip
        return format_html('{}<span class="sub wrap-anywhere">{}</span>', title, record.reason)

    def render_state(self, record: ChangeRequest) -> SafeString:
        return show.state(record.state)

    def render_instance(self, record: ChangeRequest) -> Any:
        return record.instance.name if record.instance else faint("several")

    def render_requested_at(self, value: Any) -> SafeString:
        return show.ago(value)

    def render_expires_at(self, record: ChangeRequest) -> Any:
        return show.ago(record.expires_at) if record.state == "awaiting" else faint("decided")
