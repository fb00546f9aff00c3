"""What the list of restores can be narrowed by. The address is the filter."""

from __future__ import annotations

import django_filters as filters
from django.db.models import QuerySet

from catalog.filters import HouseFilter, of_instance
from restores.models import RestoreRequest, RestoreRun
from restores.states import RestoreState, Scope

ENDS = (RestoreState.COMPLETED, RestoreState.ROLLED_BACK, RestoreState.STOPPED, RestoreState.FAILED)


class RestoreFilter(HouseFilter):
    q = filters.CharFilter(field_name="restore_id", lookup_expr="icontains", label="Restore")
    instance = filters.CharFilter(method="in_instance", label="Instance")
    state = filters.ChoiceFilter(choices=RestoreState.choices, empty_label="All")
    scope = filters.ChoiceFilter(choices=Scope.choices, empty_label="All")

    class Meta(HouseFilter.Meta):
        model = RestoreRequest

    def in_instance(self, rows: QuerySet[RestoreRequest], name: str, value: str) -> QuerySet[RestoreRequest]:
        return rows.filter(of_instance(value, "instance__"))


class RunFilter(HouseFilter):
    instance = filters.CharFilter(method="in_instance", label="Instance")
    state = filters.ChoiceFilter(
        field_name="request__state", choices=[(each.value, each.label) for each in ENDS], empty_label="All",
        label="Ended as",
    )  # fmt: skip
    scope = filters.ChoiceFilter(
        field_name="request__scope", choices=Scope.choices, empty_label="All", label="Scope"
    )

    class Meta(HouseFilter.Meta):
        model = RestoreRun

    def in_instance(self, rows: QuerySet[RestoreRun], name: str, value: str) -> QuerySet[RestoreRun]:
        return rows.filter(of_instance(value, "request__instance__"))
