"""Who may read what a monitor reads: whoever has the token, or asks from a named network without a proxy."""

from __future__ import annotations

import hmac
import ipaddress
import stat
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest

# A proxy on this machine makes everybody look like loopback, but it says so in one of these.
_SIGNS_OF_A_PROXY = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
    "HTTP_VIA",
)
_SHORTEST_TOKEN = 16


def may_monitor(request: HttpRequest) -> bool:
    """True with the bearer token of METRICS_TOKEN_FILE, or straight from one of METRICS_NETWORKS."""
    return _has_token(request) or _is_near(request)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    wanted = _token(settings.METRICS_TOKEN_FILE)
    return scheme.lower() == "bearer" and bool(wanted) and hmac.compare_digest(given.encode(), wanted)


def _token(file: Path) -> bytes:
    """Empty when there is none, when others can read it, or when it is too short to be one."""
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            return b""
        token = file.read_bytes().strip()
    except OSError:
        return b""
    return token if len(token) >= _SHORTEST_TOKEN else b""


def _is_near(request: HttpRequest) -> bool:
    if any(sign in request.META for sign in _SIGNS_OF_A_PROXY):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in network for network in settings.METRICS_NETWORKS)
