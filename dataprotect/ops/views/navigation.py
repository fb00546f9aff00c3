"""What every page shows besides its own subject: navigation, theme, the emergency stop."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from dataprotect.ops import stop
from dataprotect.ops.models import Preference


class Entry(NamedTuple):
    word: str
    icon: str
    url: str
    current: str
    """Value of `aria-current`: `page` on the page itself, `true` on a page below it, or empty."""


class Group(NamedTuple):
    """Entries that belong together; the first group has no word."""

    word: str
    entries: list[Entry]


GROUPS = (
    ("", (("Overview", "overview", "overview"), ("Alerts", "bell", "alerts"))),
    (
        "Protect",
        (
            ("Instances", "server", "instances"),
            ("Backups", "backup", "backups"),
            ("Logs", "stream", "logs"),
            ("Policies", "calendar", "policies"),
        ),
    ),
    (
        "Restore",
        (("Restores", "restore", "restores"), ("Approvals", "inbox", "approvals")),
    ),
    (
        "Prove",
        (
            ("Restore tests", "tested", "restore_tests"),
            ("Verification", "check-list", "verifications"),
            ("Audit", "audit", "audit"),
        ),
    ),
    (
        "Keep",
        (
            ("Retention", "broom", "retention"),
            ("Holds", "hold", "holds"),
            ("Change requests", "inbox", "changes"),
        ),
    ),
    (
        "Run",
        (
            ("Jobs", "job", "jobs"),
            ("Repositories and keys", "vault", "repositories"),
            ("People", "user", "people"),
        ),
    ),
)


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Anonymous visitors (sign-in, errors) get no navigation and no queries."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"theme": "system"}
    return {
        "navigation": _groups(request),
        "theme": getattr(request, "preference", Preference()).theme,
        "stop_reason": (stop.stop_reason() or "").rstrip(". "),
    }


def _groups(request: HttpRequest) -> list[Group]:
    """What the person may open; a group of which nothing is left is left out."""
    groups = [
        Group(word, [_entry(request.path, *page) for page in pages if _may_open(request.user, page)])
        for word, pages in GROUPS
    ]
    return [group for group in groups if group.entries]


NEEDS = {
    "audit": "ops.view_auditevent",
    "repositories": "catalog.view_repository",
    "alerts": "ops.view_alert",
    "policies": "catalog.view_policy",
    "people": "catalog.view_rolegrant",
}


def _may_open(user: Any, page: tuple[str, str, str]) -> bool:
    needed = NEEDS.get(page[2])
    return needed is None or user.has_perm(needed)


def _entry(path: str, word: str, icon: str, name: str) -> Entry:
    url = reverse(name)
    below = url != "/" and path.startswith(url)
    return Entry(word, icon, url, "page" if path == url else "true" if below else "")
