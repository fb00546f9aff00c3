"""allauth's forms, dressed like every form of the dashboard."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as factors
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as keys
from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts

from dataprotect.ops.forms import dress


class Dressed(forms.Form):
    """First among the bases: house classes, no placeholders (a label says it), errors with their field."""

    labels: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            dress(field.widget)
            field.widget.attrs.pop("placeholder", None)
            field.label = self.labels.get(name, field.label)
            field.error_messages["required"] = f"{field.label or name.capitalize()} is needed."


class SignInForm(Dressed, account.LoginForm):
    labels = {"login": "Username"}


class ReauthenticateForm(Dressed, account.ReauthenticateForm):
    labels = {"password": "Your password"}


class ChangePasswordForm(Dressed, account.ChangePasswordForm):
    labels = {
        "oldpassword": "Current password",
        "password1": "New password",
        "password2": "New password again",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = " ".join(password_validators_help_texts())


class CodeForm(Dressed, factors.AuthenticateForm):
    labels = {"code": "Code of the app, or a recovery code"}


class CodeAgainForm(Dressed, factors.ReauthenticateForm):
    labels = CodeForm.labels


class ActivateTotpForm(Dressed, totp.ActivateTOTPForm):
    labels = {"code": "Code that the app shows"}


class AddKeyForm(Dressed, keys.AddWebAuthnForm):
    labels = {"name": "What you call this key"}


class RenameKeyForm(Dressed, keys.EditWebAuthnForm):
    labels = AddKeyForm.labels
