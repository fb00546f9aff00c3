"""The map of addresses. Each app names its own pages; names are unique across all of them."""

from __future__ import annotations

from django.urls import include, path

from catalog.api import api

urlpatterns = [
    path("", include("dataprotect.ops.urls")),
    path("", include("catalog.urls")),
    path("", include("restores.urls")),
    path("", include("compliance.urls")),
    path("api/v1/", api.urls),
]
