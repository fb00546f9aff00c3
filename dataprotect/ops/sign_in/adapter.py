"""Where allauth asks the house: no sign-up, no mail, our words, secrets sealed, failures recorded."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from dataprotect.core.secrets import Secret
from dataprotect.ops import secrets
from dataprotect.ops.services.sealed_factors import FACTOR_SECRET
from dataprotect.ops.services.sign_in_record import sign_in_failed

_SILENT = {"account/messages/logged_in.txt", "account/messages/logged_out.txt"}


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "Name and password do not match. Both are case-sensitive.",
        "too_many_login_attempts": "There were too many failed attempts. Wait five minutes, then try again.",
        "incorrect_password": "This is not your password.",
        "enter_current_password": "This is not your current password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Pages only: what programs use is the API."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Back to a page of ours, and nowhere else."""
        request: HttpRequest = self.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """People have no addresses here; the audit chain says what was done."""

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """All but the greetings."""
        if message_template not in _SILENT:
            super().add_message(request, level, message_template, *args, **kwargs)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        sign_in_failed(
            name=str(credentials.get("username", "")), address=self.get_client_ip(request), step="password"
        )


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of second factors are sealed with the key ring of the home: the database alone opens none."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This is not the code of this moment, or it was used already.",
    }

    def encrypt(self, text: str) -> str:
        return secrets.seal(Secret(text), FACTOR_SECRET)

    def decrypt(self, encrypted_text: str) -> str:
        return secrets.open_sealed(encrypted_text, FACTOR_SECRET).reveal()

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return user.get_username()

    def _get_site_name(self) -> str:
        return str(settings.SITE_NAME)

    def generate_authenticator_name(self, user: AbstractBaseUser, type: str) -> str:
        return "Security key"
