"""What the audit list can be narrowed by."""

from __future__ import annotations

import django_filters as filters

from dataprotect.ops.forms import HouseForm
from dataprotect.ops.models import AuditEvent


class AuditFilter(filters.FilterSet):
    verb = filters.CharFilter(lookup_expr="istartswith", label="What happened begins with")
    actor = filters.CharFilter(lookup_expr="iexact", label="Who")
    subject_type = filters.CharFilter(lookup_expr="iexact", label="Kind of subject")
    subject_id = filters.CharFilter(lookup_expr="iexact", label="Subject")

    class Meta:
        model = AuditEvent
        form = HouseForm
        fields: tuple[str, ...] = ()
