"""The list of restores, and how the ones that ended went."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from catalog.tables.house import HouseTable, faint
from dataprotect.ops.templatetags import show
from restores.models import RestoreRequest, RestoreRun
from restores.selectors.approvals import unsigned
from restores.selectors.history import split_of
from restores.states import RollbackState


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


class HistoryTable(HouseTable):
    """Each figure beside its target; the recovery time with what it is made of, as words and as a bar."""

    request = tables.Column(verbose_name="Restore", order_by=("request__restore_id",))
    ended_at = tables.Column(verbose_name="Ended")
    rto_seconds = tables.Column(verbose_name="RTO", empty_values=())
    split = tables.Column(verbose_name="Made of", empty_values=(), orderable=False)
    rpo_seconds = tables.Column(verbose_name="RPO", empty_values=())
    back = tables.Column(verbose_name="Rolled back in", empty_values=(), orderable=False)

    class Meta(HouseTable.Meta):
        model = RestoreRun
        fields = ("request", "ended_at", "rto_seconds", "split", "rpo_seconds", "back")

    def render_request(self, record: RestoreRun) -> SafeString:
        row = record.request
        exception = unsigned(row)
        said = format_html('<span class="sub wrap-anywhere">{}</span>', exception) if exception else ""
        return format_html(
            '<a class="row-link mono" href="{}">{}</a><span class="sub wrap-anywhere">{} from {}</span>{}',
            reverse("restore", args=[row.restore_id]), row.restore_id, row.get_scope_display(), row.instance,
            said,
        )  # fmt: skip

    def render_ended_at(self, record: RestoreRun) -> SafeString:
        ended = show.minute(record.ended_at)
        return format_html('{}<span class="sub">{}</span>', show.state(record.request.state), ended)

    def render_rto_seconds(self, record: RestoreRun) -> Any:
        return _against(record.rto_seconds, record.request.instance.tier.rto_seconds)

    def render_rpo_seconds(self, record: RestoreRun) -> Any:
        return _against(record.rpo_seconds, record.request.instance.tier.rpo_seconds)

    def render_split(self, record: RestoreRun) -> Any:
        parts = split_of(record)
        if not parts:
            return faint("not measured")
        told = format_html_join(
            ", ", '<span class="nowrap">{} {}</span>',
            ((part.word, show.short_duration(part.seconds)) for part in parts),
        )  # fmt: skip
        bars = format_html_join(
            "", '<rect class="{}" x="{}" width="{}" height="10"/>',
            (("wait" if part.is_waiting else "work", part.x, part.width) for part in parts),
        )  # fmt: skip
        picture = '<svg class="split" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{}'
        return format_html(picture + "</svg>{}", bars, told)

    def render_back(self, record: RestoreRun) -> Any:
        used = [each for each in record.rollback_points.all() if each.state == RollbackState.USED]
        if not used:
            return faint("not needed")
        return show.duration(sum(each.measured_seconds or 0.0 for each in used))


def _against(measured: float | None, target: float) -> Any:
    """The figure, said to be too much where it is."""
    if measured is None:
        return faint("not measured")
    judged = show.state("ok", "met") if measured <= target else show.state("failed", "missed")
    return format_html(
        '<span class="nowrap">{}</span><span class="sub nowrap">{} target {}</span>',
        show.duration(measured), judged, show.duration(target),
    )  # fmt: skip
