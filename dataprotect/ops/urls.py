"""Sign-in, preferences, health, emergency stop."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as factors
from allauth.mfa.webauthn import views as keys
from django.urls import path

from dataprotect.ops.views import health
from dataprotect.ops.views.preferences import preferences
from dataprotect.ops.views.session import LoginView, LogoutView

urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("account/confirm/code/", factors.reauthenticate, name="mfa_reauthenticate"),
    path("account/confirm/key/", keys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("preferences/", preferences, name="preferences"),
    path("health/", health.health, name="health"),
    path("stop/raise/", health.stop_raise_page, name="stop_raise"),
    path("stop/lift/", health.stop_lift_page, name="stop_lift"),
]
