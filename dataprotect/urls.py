"""The map of addresses. Each app names its own pages; names are unique across all of them."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("dataprotect.ops.urls")),
    path("", include("catalog.urls")),
    path("", include("restores.urls")),
    path("", include("compliance.urls")),
]
