"""Sign-in, preferences, health, emergency stop."""

from __future__ import annotations

from django.urls import path

from dataprotect.ops.views import health
from dataprotect.ops.views.preferences import preferences
from dataprotect.ops.views.session import LoginView, LogoutView

urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("preferences/", preferences, name="preferences"),
    path("health/", health.health, name="health"),
    path("stop/raise/", health.stop_raise_page, name="stop_raise"),
    path("stop/lift/", health.stop_lift_page, name="stop_lift"),
]
