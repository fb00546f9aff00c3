"""Where smoke tests over HTTP may go, as the engine compares it."""

from __future__ import annotations

from urllib.parse import urlsplit

from dataprotect.core.errors import InvalidInput

_PORTS = {"http": 80, "https": 443}


def host_and_port(address: str, field: str) -> str:
    """`host:port` of a whole address, or of what is so already. Raises InvalidInput naming `field`."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    if port is None or not parts.hostname or parts.username is not None:
        raise InvalidInput(field, "Expected an address such as https://shop.example/health, without a login.")
    return f"{parts.hostname}:{port}"
