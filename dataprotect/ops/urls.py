"""Sign-in, preferences, health."""

from __future__ import annotations

from django.urls import path

from dataprotect.ops.views.health import health
from dataprotect.ops.views.preferences import preferences
from dataprotect.ops.views.session import LoginView, LogoutView

urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("preferences/", preferences, name="preferences"),
    path("health/", health, name="health"),
]
