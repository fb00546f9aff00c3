"""What a command answers that may only ask. None approves: a shell names nobody."""

from __future__ import annotations

from typing import Any

from catalog.models import ChangeRequest
from dataprotect.core import clock


def asked(change: ChangeRequest) -> dict[str, Any]:
    return {
        "change": change.pk,
        "title": change.title,
        "approvals_needed": change.approvals_needed,
        "expires_at": clock.iso(change.expires_at),
        "payload_hash": change.payload_hash,
    }


def asked_in_words(answer: dict[str, Any]) -> list[str]:
    return [
        f"Asked for: {answer['title']} (request {answer['change']}).",
        f"{answer['approvals_needed']} must approve it in the dashboard until {answer['expires_at']}.",
        "Whoever asks at a terminal could be anybody, and counts for none of them.",
    ]
