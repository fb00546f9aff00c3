"""Whose log is collected."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from catalog.models import Instance


def streaming_instances(*, site: str = "") -> QuerySet[Instance]:
    """Instances whose log is wanted: by their own choice, else by their policy. `site` is their region."""
    wanted = Q(log_collector__wanted=True) | (
        (Q(log_collector=None) | Q(log_collector__wanted=None)) & Q(policy__stream_logs=True)
    )
    found = Instance.objects.filter(wanted).select_related("repository", "tier", "policy", "log_collector")
    return found.filter(region=site) if site else found
