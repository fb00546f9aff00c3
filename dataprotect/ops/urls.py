"""Sign-in, one's own second factors, preferences, profile, health, emergency stop.

The names of allauth's pages are its own: it looks them up. What is not here (sign-up, mail, resets) does not
exist.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as keys
from django.urls import path
from django.views.decorators.http import require_POST
from django.views.generic import RedirectView

from dataprotect.ops.views import health
from dataprotect.ops.views.factors import totp_picture, whole
from dataprotect.ops.views.preferences import preferences
from dataprotect.ops.views.profile import profile

OWN = "account/second-factor"

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("login/second-factor/", factors.authenticate, name="mfa_authenticate"),
    path("login/switched-off/", account.account_inactive, name="account_inactive"),
    path("logout/", require_POST(account.logout), name="account_logout"),
    path("account/confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("account/confirm/code/", factors.reauthenticate, name="mfa_reauthenticate"),
    path("account/confirm/key/", keys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("account/password/", whole(account.password_change), name="account_change_password"),
    # Whoever has no password has nobody to ask but an administrator.
    path("account/no-password/", RedirectView.as_view(pattern_name="account"), name="account_set_password"),
    path(f"{OWN}/", factors.index, name="mfa_index"),
    path(f"{OWN}/app/", whole(totp.activate_totp), name="mfa_activate_totp"),
    path(f"{OWN}/app/picture.svg", totp_picture, name="totp_picture"),
    path(f"{OWN}/app/remove/", whole(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path(f"{OWN}/codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(f"{OWN}/codes/new/", whole(codes.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path(f"{OWN}/keys/", keys.list_webauthn, name="mfa_list_webauthn"),
    path(f"{OWN}/keys/add/", whole(keys.add_webauthn), name="mfa_add_webauthn"),
    path(f"{OWN}/keys/<int:pk>/remove/", whole(keys.remove_webauthn), name="mfa_remove_webauthn"),
    path(f"{OWN}/keys/<int:pk>/rename/", whole(keys.edit_webauthn), name="mfa_edit_webauthn"),
    path("preferences/", preferences, name="preferences"),
    path("profile/", profile, name="profile"),
    path("health/", health.health, name="health"),
    path("stop/raise/", health.stop_raise_page, name="stop_raise"),
    path("stop/lift/", health.stop_lift_page, name="stop_lift"),
]
