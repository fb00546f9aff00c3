"""django-q2 carries messages; the Job row is the truth, so a message may be lost or come twice."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dataprotect.settings.environment import number, refuse, text

_WEEK = 7 * 24 * 3600


def cluster(name: str, workers: int) -> dict[str, Any]:
    """Q_CLUSTER. A backup may run for days, so django-q's own clock is far beyond the job's lease."""
    return {
        "name": "dataprotect",
        "cluster_name": name,
        "label": "Queue",
        "workers": workers,
        # What a worker has fetched is lost with it (Redis): fetch no more than can start at once.
        "queue_limit": workers,
        "bulk": 1,
        "timeout": _WEEK,
        "retry": _WEEK + 3600,
        "ack_failures": True,
        "max_attempts": 1,
        "catch_up": False,
        "recycle": 50,
        "save_limit": 200,
        "cache": "queue",
        "poll": number("QUEUE_POLL_MILLISECONDS", 200, low=20, high=10_000) / 1000,
        # django-q pops this key when a worker serves another cluster than the default one.
        "ALT_CLUSTERS": {},
        **broker(),
    }


def broker() -> dict[str, Any]:
    """From BROKER_URL: empty for the database itself, or redis://, rediss://, unix:// for Redis."""
    url = text("BROKER_URL", "orm")
    if url == "orm":
        return {"orm": "default"}
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path):
        refuse("BROKER_URL", "orm (the database) or redis://host:port/number")
    # A broker that does not answer must not hold up a page; workers wait one second at a time.
    patience = "" if parts.query or parts.scheme == "unix" else "?socket_connect_timeout=5&socket_timeout=30"
    return {"redis": url + patience}
