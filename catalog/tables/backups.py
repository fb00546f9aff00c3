"""The columns of the lists of backups and their proofs. Sizes are bytes, durations seconds."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.models import Backup, Verification
from catalog.tables.house import NUMBER, HouseTable, faint, link
from dataprotect.ops.templatetags import show


class BackupTable(HouseTable):
    stopped_at = tables.Column(verbose_name="Restores to")
    instance = tables.Column(verbose_name="Instance", order_by=("instance__name",))
    type = tables.Column(verbose_name="Type")
    state = tables.Column(verbose_name="State")
    reader = tables.Column(verbose_name="Reader")
    bytes_read = tables.Column(verbose_name="Database", attrs=NUMBER)
    bytes_stored = tables.Column(verbose_name="Stored", attrs=NUMBER)
    seconds = tables.Column(verbose_name="Took", attrs=NUMBER)
    repository = tables.Column(verbose_name="Repository", order_by=("repository__name",))

    class Meta(HouseTable.Meta):
        model = Backup
        fields = (
            "stopped_at", "instance", "type", "state", "reader", "bytes_read", "bytes_stored", "seconds",
            "repository",
        )  # fmt: skip

    def render_stopped_at(self, record: Backup) -> SafeString:
        return link(reverse("backup", args=[record.backup_id]), show.minute(record.stopped_at))

    def render_instance(self, record: Backup) -> SafeString:
        return format_html(
            '<a class="plain-link" href="{}">{}</a>', reverse("instance", args=[record.instance.name]),
            record.instance.name,
        )  # fmt: skip

    def render_state(self, value: str, record: Backup) -> SafeString:
        return show.state(record.state)

    def render_reader(self, value: str) -> str:
        return show.words(value)

    def render_bytes_read(self, value: int) -> SafeString:
        return show.size(value)

    def render_bytes_stored(self, value: int) -> SafeString:
        return show.size(value)

    def render_seconds(self, value: float) -> Any:
        return show.duration(value)


class VerificationTable(HouseTable):
    finished_at = tables.Column(verbose_name="Finished")
    instance = tables.Column(
        verbose_name="Instance", accessor="backup__instance__name", order_by=("backup__instance__name",)
    )
    level = tables.Column(verbose_name="Level")
    passed = tables.Column(verbose_name="Result")
    backup = tables.Column(verbose_name="Backup", order_by=("backup__stopped_at",))
    rto_seconds = tables.Column(verbose_name="RTO measured", empty_values=(), attrs=NUMBER)
    seconds = tables.Column(verbose_name="Took", attrs=NUMBER)

    class Meta(HouseTable.Meta):
        model = Verification
        fields = ("finished_at", "instance", "level", "passed", "backup", "rto_seconds", "seconds")

    def render_finished_at(self, record: Verification) -> SafeString:
        return link(reverse("verification", args=[record.pk]), show.minute(record.finished_at))

    def render_instance(self, value: str) -> SafeString:
        return format_html('<a class="plain-link" href="{}">{}</a>', reverse("instance", args=[value]), value)

    def render_passed(self, value: bool) -> SafeString:
        return show.state("passed" if value else "failed")

    def render_backup(self, record: Verification) -> SafeString:
        address = reverse("backup", args=[record.backup.backup_id])
        return format_html(
            '<a class="plain-link" href="{}">{}</a>', address, show.minute(record.backup.stopped_at)
        )

    def render_rto_seconds(self, record: Verification) -> Any:
        return faint("not measured") if record.rto_seconds is None else show.duration(record.rto_seconds)

    def render_seconds(self, value: float) -> Any:
        return show.duration(value)
