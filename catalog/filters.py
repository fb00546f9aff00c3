"""What the catalog's lists can be narrowed by. The address is the filter, so it can be shared as a link."""

from __future__ import annotations

from typing import Any

import django_filters as filters
from django.db.models import Q, QuerySet

from catalog import states
from catalog.models import (
    Backup,
    ChangeRequest,
    Instance,
    LegalHold,
    Repository,
    Tier,
    Verification,
)
from catalog.selectors import instances_visible, repository_list
from catalog.selectors.holds import active_holds
from dataprotect.core import clock
from dataprotect.ops.alert_states import AlertState, Severity
from dataprotect.ops.forms import HouseForm
from dataprotect.ops.models import Alert, Job
from dataprotect.ops.states import STATES

_MOST_INSTANCES = 500


def of_instance(name: str, path: str) -> Q:
    """An exact name means that instance; anything else, every instance whose name contains it."""
    exact = Instance.objects.filter(name=name).exists()
    return Q(**{f"{path}name" if exact else f"{path}name__icontains": name})


def _repositories(request: Any) -> QuerySet[Repository]:
    return repository_list(user=request.user)


class HouseFilter(filters.FilterSet):
    class Meta:
        form = HouseForm
        fields: tuple[str, ...] = ()


class InstanceFilter(HouseFilter):
    q = filters.CharFilter(method="named", label="Name or host")
    environment = filters.ChoiceFilter(choices=states.Environment.choices, empty_label="All")
    tier = filters.ModelChoiceFilter(queryset=Tier.objects.all(), empty_label="All")
    protection = filters.ChoiceFilter(
        method="protected", label="Protection", empty_label="All",
        choices=[
            ("none", "No good backup"),
            ("untested", "Never restore-tested"),
            ("failed", "Restore test failed"),
        ],
    )  # fmt: skip
    repository = filters.ModelChoiceFilter(queryset=_repositories, empty_label="All")

    class Meta(HouseFilter.Meta):
        model = Instance

    def named(self, rows: QuerySet[Instance], name: str, value: str) -> QuerySet[Instance]:
        return rows.filter(Q(name__icontains=value) | Q(host__icontains=value))

    def protected(self, rows: QuerySet[Instance], name: str, value: str) -> QuerySet[Instance]:
        wanted = {
            "none": Q(last_good_at=None),
            "untested": Q(last_restore_test=None),
            "failed": Q(last_restore_test__passed=False),
        }
        return rows.filter(wanted[value])


class BackupFilter(HouseFilter):
    q = filters.CharFilter(field_name="backup_id", lookup_expr="icontains", label="Backup ID")
    instance = filters.CharFilter(method="of_instance", label="Instance")
    state = filters.ChoiceFilter(choices=states.BackupState.choices, empty_label="All")
    repository = filters.ModelChoiceFilter(queryset=_repositories, empty_label="All")

    class Meta(HouseFilter.Meta):
        model = Backup

    def of_instance(self, rows: QuerySet[Backup], name: str, value: str) -> QuerySet[Backup]:
        return rows.filter(of_instance(value, "instance__"))


class VerificationFilter(HouseFilter):
    instance = filters.CharFilter(method="of_instance", label="Instance")
    level = filters.ChoiceFilter(choices=states.VerificationLevel.choices, empty_label="All")
    passed = filters.ChoiceFilter(
        choices=[("True", "Passed"), ("False", "Failed")], label="Result", empty_label="All"
    )

    class Meta(HouseFilter.Meta):
        model = Verification

    def of_instance(self, rows: QuerySet[Verification], name: str, value: str) -> QuerySet[Verification]:
        return rows.filter(of_instance(value, "backup__instance__"))


class JobFilter(HouseFilter):
    q = filters.CharFilter(field_name="title", lookup_expr="icontains", label="Title")
    instance = filters.CharFilter(method="about", label="Instance")
    state = filters.ChoiceFilter(choices=[(word, word.capitalize()) for word in STATES], empty_label="All")

    class Meta(HouseFilter.Meta):
        model = Job

    def about(self, rows: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        visible = instances_visible(user=self.request.user)
        found = visible.filter(of_instance(value, "")).order_by("name")[:_MOST_INSTANCES]
        return rows.filter(subject__in=[instance.subject for instance in found])


class AlertFilter(HouseFilter):
    q = filters.CharFilter(field_name="title", lookup_expr="icontains", label="Alert")
    state = filters.ChoiceFilter(
        method="in_state", choices=[("all", "All"), *AlertState.choices], empty_label="Not over"
    )
    severity = filters.ChoiceFilter(choices=Severity.choices, empty_label="All")
    owner = filters.ChoiceFilter(
        method="owned", choices=[("me", "Mine"), ("nobody", "Nobody's")], empty_label="All", label="Owner"
    )

    class Meta(HouseFilter.Meta):
        model = Alert

    def in_state(self, rows: QuerySet[Alert], name: str, value: str) -> QuerySet[Alert]:
        return rows if value == "all" else rows.filter(state=value)

    def owned(self, rows: QuerySet[Alert], name: str, value: str) -> QuerySet[Alert]:
        return rows.filter(owner=self.request.user) if value == "me" else rows.filter(owner=None)


class HoldFilter(HouseFilter):
    q = filters.CharFilter(field_name="matter", lookup_expr="icontains", label="Matter")
    instance = filters.CharFilter(method="of_instance", label="Instance")
    state = filters.ChoiceFilter(
        method="standing", choices=[("active", "Holds"), ("ended", "Lifted or over")], empty_label="All",
        label="State",
    )  # fmt: skip

    class Meta(HouseFilter.Meta):
        model = LegalHold

    def of_instance(self, rows: QuerySet[LegalHold], name: str, value: str) -> QuerySet[LegalHold]:
        return rows.filter(of_instance(value, "instance__"))

    def standing(self, rows: QuerySet[LegalHold], name: str, value: str) -> QuerySet[LegalHold]:
        active = active_holds(clock.now())
        return rows.filter(active if value == "active" else ~active)


class ChangeFilter(HouseFilter):
    q = filters.CharFilter(field_name="title", lookup_expr="icontains", label="Request")
    state = filters.ChoiceFilter(
        method="in_state", choices=[("all", "All"), *states.ChangeState.choices], empty_label="To decide"
    )
    kind = filters.ChoiceFilter(choices=states.ChangeKind.choices, empty_label="All")

    class Meta(HouseFilter.Meta):
        model = ChangeRequest

    def in_state(self, rows: QuerySet[ChangeRequest], name: str, value: str) -> QuerySet[ChangeRequest]:
        return rows if value == "all" else rows.filter(state=value)
