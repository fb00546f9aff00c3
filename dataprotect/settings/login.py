"""How people sign in: by name and password, then a second factor where they have one. allauth does the work.

People are made by an administrator: there is no sign-up, no social account, and no mail is needed or sent.
"""

from __future__ import annotations

from typing import Any

from dataprotect.settings.environment import number


def login(site_name: str, step_up_seconds: int) -> dict[str, Any]:
    """The ACCOUNT_*, MFA_* and ALLAUTH_* settings, and where to sign in."""
    return {
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "/",
        "LOGOUT_REDIRECT_URL": "account_login",
        "ACCOUNT_ADAPTER": "dataprotect.ops.sign_in.adapter.AccountAdapter",
        "ACCOUNT_LOGIN_METHODS": {"username"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*"],
        "ACCOUNT_SIGNUP_ENABLED": False,
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_EMAIL_NOTIFICATIONS": False,
        # None of allauth's two choices: a session is as long as SESSION_COOKIE_AGE says.
        "ACCOUNT_SESSION_REMEMBER": True,
        "ACCOUNT_REAUTHENTICATION_METHODS": ("password", "mfa"),
        "ACCOUNT_REAUTHENTICATION_TIMEOUT": step_up_seconds,
        "ACCOUNT_RATE_LIMITS": {
            "login": "30/m/ip",
            "login_failed": "10/m/ip,5/5m/key",
            "reauthenticate": "10/m/user",
            "change_password": "5/m/user",
        },
        "ACCOUNT_FORMS": {
            "login": "dataprotect.ops.sign_in.forms.SignInForm",
            "reauthenticate": "dataprotect.ops.sign_in.forms.ReauthenticateForm",
            "change_password": "dataprotect.ops.sign_in.forms.ChangePasswordForm",
        },
        "MFA_ADAPTER": "dataprotect.ops.sign_in.adapter.SecondFactorAdapter",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_TOTP_ISSUER": site_name,
        # Telephones and servers differ by a few seconds: the code before and the one after are taken too.
        "MFA_TOTP_TOLERANCE": 1,
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        "MFA_FORMS": {
            "authenticate": "dataprotect.ops.sign_in.forms.CodeForm",
            "reauthenticate": "dataprotect.ops.sign_in.forms.CodeAgainForm",
            "activate_totp": "dataprotect.ops.sign_in.forms.ActivateTotpForm",
            "add_webauthn": "dataprotect.ops.sign_in.forms.AddKeyForm",
            "edit_webauthn": "dataprotect.ops.sign_in.forms.RenameKeyForm",
        },
        # Whose address is limited: the one that so many proxies of ours wrote last into X-Forwarded-For.
        "ALLAUTH_TRUSTED_PROXY_COUNT": number("TRUSTED_PROXY_COUNT", 0, low=0, high=10),
    }
