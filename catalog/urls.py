"""Overview, instances, backups, verification, jobs, repositories and keys."""

from __future__ import annotations

from django.urls import path

from catalog.views.overview import overview

urlpatterns = [
    path("", overview, name="overview"),
]
