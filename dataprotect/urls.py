"""The map of addresses. Each app names its own pages; names are unique across all of them."""

from __future__ import annotations

from django.urls import include, path

from catalog.api import api
from catalog.views.metrics import metrics
from dataprotect.ops.views.probes import livez, readyz
from restores.api import clones, folders, restores

api.add_router("/clones", clones)
api.add_router("/restored-folders", folders)
api.add_router("/restores", restores)

urlpatterns = [
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("", include("dataprotect.ops.urls")),
    path("", include("catalog.urls")),
    path("", include("restores.urls")),
    path("", include("compliance.urls")),
    path("api/v1/", api.urls),
]
