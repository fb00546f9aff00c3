"""How people sign in: by name and password, then a second factor where they have one. allauth does the work.

People are made by an administrator: there is no sign-up, no social account, and no mail is needed or sent.
"""

from __future__ import annotations

from typing import Any


def login(step_up_seconds: int) -> dict[str, Any]:
    """The ACCOUNT_* settings."""
    return {
        "ACCOUNT_LOGIN_METHODS": {"username"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_REAUTHENTICATION_METHODS": ("password", "mfa"),
        "ACCOUNT_REAUTHENTICATION_TIMEOUT": step_up_seconds,
    }
