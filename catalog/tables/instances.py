"""The columns of the lists of instances and repositories. Sizes are bytes."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.models import Instance, Repository
from catalog.tables.house import NUMBER, HouseTable, faint, link
from dataprotect.ops.templatetags import show


class InstanceTable(HouseTable):
    name = tables.Column(verbose_name="Instance")
    address = tables.Column(accessor="host", verbose_name="Address", order_by=("host", "port"))
    connection = tables.Column(accessor="connection_encrypted", verbose_name="Connection", empty_values=())
    last_good_at = tables.Column(verbose_name="Last good", empty_values=())
    restore_test = tables.Column(
        accessor="last_restore_test",
        verbose_name="Restore test",
        empty_values=(),
        order_by="last_restore_test__finished_at",
    )
    rto = tables.Column(
        accessor="rto_evidence",
        verbose_name="RTO",
        empty_values=(),
        attrs=NUMBER,
        order_by="rto_evidence__rto_seconds",
    )
    size_bytes = tables.Column(verbose_name="Size", empty_values=(), attrs=NUMBER)
    tier = tables.Column(verbose_name="Tier", order_by=("tier__position", "name"))

    class Meta(HouseTable.Meta):
        model = Instance
        fields = (
            "name",
            "address",
            "connection",
            "last_good_at",
            "restore_test",
            "rto",
            "size_bytes",
            "tier",
        )

    def render_name(self, record: Instance) -> SafeString:
        title = link(reverse("instance", args=[record.name]), record.name)
        return format_html('{}<span class="sub">{}</span>', title, record.get_environment_display())

    def render_address(self, record: Instance) -> SafeString:
        return format_html('<span class="mono nowrap">{}:{}</span>', record.host, record.port)

    def render_connection(self, record: Instance) -> SafeString:
        if record.probe_problem:
            return show.state("failed", "Cannot connect")
        if record.connection_encrypted is None:
            return show.state("never", "Not tested")
        return show.state("encrypted" if record.connection_encrypted else "unencrypted")

    def render_last_good_at(self, record: Instance) -> SafeString:
        return show.ago(record.last_good_at) if record.last_good_at else show.state("failed", "Never")

    def render_restore_test(self, record: Instance) -> SafeString:
        test = record.last_restore_test
        if test is None:
            return show.state("never")
        return format_html(
            '{}<span class="sub">{}</span>',
            show.state("passed" if test.passed else "failed"),
            show.ago(test.finished_at),
        )

    def render_rto(self, record: Instance) -> Any:
        evidence = record.rto_evidence
        return show.duration(evidence.rto_seconds) if evidence else faint("not measured")

    def render_size_bytes(self, value: int | None) -> SafeString:
        return show.size(value)


class RepositoryTable(HouseTable):
    name = tables.Column(verbose_name="Repository")
    url = tables.Column(verbose_name="Place")
    region = tables.Column(verbose_name="Region", empty_values=())
    state = tables.Column(verbose_name="State")
    instance_count = tables.Column(verbose_name="Instances", attrs=NUMBER)
    backup_count = tables.Column(verbose_name="Backups", attrs=NUMBER)
    stored_bytes = tables.Column(verbose_name="Stored", attrs=NUMBER)
    free_bytes = tables.Column(verbose_name="Free", attrs=NUMBER, empty_values=())

    class Meta(HouseTable.Meta):
        model = Repository
        fields = (
            "name", "url", "region", "state", "instance_count", "backup_count", "stored_bytes", "free_bytes",
        )  # fmt: skip

    def render_name(self, value: str) -> SafeString:
        return link(reverse("repository", args=[value]), value)

    def render_url(self, value: str) -> SafeString:
        return format_html('<span class="mono wrap-anywhere">{}</span>', value)

    def render_region(self, value: str) -> Any:
        return value or faint("none")

    def render_state(self, record: Repository) -> SafeString:
        return show.state(record.state)

    def render_backup_count(self, record: Repository, value: int) -> SafeString:
        address = f"{reverse('backups')}?repository={record.pk}"
        return format_html('<a class="plain-link" href="{}">{}</a>', address, show.count(value))

    def render_instance_count(self, record: Repository, value: int) -> SafeString:
        address = f"{reverse('instances')}?repository={record.pk}"
        return format_html('<a class="plain-link" href="{}">{}</a>', address, show.count(value))

    def render_stored_bytes(self, value: int) -> SafeString:
        return show.size(value)

    def render_free_bytes(self, value: int | None) -> Any:
        return faint("not told") if value is None else show.size(value)
