"""What browsers are told, from one switch: BEHIND_TLS (default true), or plain http on loopback only."""

from __future__ import annotations

from typing import Any

from csp.constants import NONE, SELF

# data: is for the little pictures inside Bootstrap's own style sheet; nothing inline is ever allowed.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}


def security(behind_tls: bool) -> dict[str, Any]:
    """The SECURE_*, SESSION_* and CSRF_* settings."""
    return {
        "SECURE_SSL_REDIRECT": behind_tls,
        # Monitors ask on the machine itself, in plain http; what they may see is decided by `ops.monitor`.
        "SECURE_REDIRECT_EXEMPT": [r"^livez$", r"^readyz$", r"^metrics$"],
        # The proxy in front must set this header itself and drop the client's (docs/operations.md).
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if behind_tls else None,
        "SECURE_HSTS_SECONDS": 365 * 24 * 3600 if behind_tls else 0,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": behind_tls,
        "SECURE_HSTS_PRELOAD": behind_tls,
        "SECURE_REFERRER_POLICY": "same-origin",
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        "X_FRAME_OPTIONS": "DENY",
        "SESSION_COOKIE_SECURE": behind_tls,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_AGE": 12 * 3600,
        "CSRF_COOKIE_SECURE": behind_tls,
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
    }
