"""Waiting for the sign-in page."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable

from dataprotect.core.errors import ForeseenError

PAGE_SECONDS = 60.0


def wait_for_page(url: str, check: Callable[[], None]) -> float:
    """Seconds until the page answered 200. Raises `demo.page`, or what `check` raises."""
    began = time.monotonic()
    while time.monotonic() - began < PAGE_SECONDS:
        check()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own http address
                if answer.status == 200:
                    return time.monotonic() - began
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ForeseenError(
        "demo.page", f"{url} did not answer within {PAGE_SECONDS:.0f} s.", "Read logs/web.log in the home."
    )
