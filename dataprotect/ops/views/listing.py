"""How every list page is made: filter, sort, page; and whether nothing exists or nothing matches."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django_filters import FilterSet
from django_tables2 import RequestConfig, Table

PER_PAGE = 50


def listing(
    request: HttpRequest, rows: QuerySet[Any], filters: type[FilterSet], table: type[Table], label: str
) -> dict[str, Any]:
    """The context of `list.html`: `table`, `filter`, `exists`, `is_filtered`."""
    chosen = filters(request.GET, queryset=rows, request=request)
    listed = table(chosen.qs)
    listed.label = label
    RequestConfig(request, paginate={"per_page": PER_PAGE, "silent": True}).configure(listed)
    is_filtered = any(request.GET.get(name) for name in chosen.form.fields)
    return {
        "table": listed,
        "filter": chosen,
        "is_filtered": is_filtered,
        "exists": bool(listed.paginator.count) or (is_filtered and rows.exists()),
    }
