"""The columns of the catalog's lists. Sizes are bytes, durations seconds, instants aware."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.models import Backup, Instance, Repository, Verification
from dataprotect.ops.models import Job
from dataprotect.ops.templatetags import show

NUMBER = {"td": {"class": "num"}}


def link(address: str, words: object) -> SafeString:
    """The link that opens the row."""
    return format_html('<a class="row-link" href="{}">{}</a>', address, words)


def faint(words: str) -> SafeString:
    return format_html('<span class="faint">{}</span>', words)


class HouseTable(tables.Table):
    """Our template decides the look; here are only columns."""

    label = ""

    class Meta:
        template_name = "partials/table.html"
        orderable = True
        fields: tuple[str, ...] = ()


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
