"""System checks: what can be wrong at start that is not wrong in a single value."""

from __future__ import annotations

import pwd
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections


@register(Tags.security)
def check_hosts(**kwargs: Any) -> list[CheckMessage]:
    if not settings.DEBUG and "*" in settings.ALLOWED_HOSTS:
        return [
            Warning("ALLOWED_HOSTS accepts every name.", hint="List the names of this site.", id="ops.W001")
        ]
    return []


@register()
def check_origins(**kwargs: Any) -> list[CheckMessage]:
    wrong = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if "://" not in origin]
    if not wrong:
        return []
    hint = "Write https://backup.example.org, with commas between several."
    return [Error("CSRF_TRUSTED_ORIGINS expects addresses with a scheme.", hint=hint, id="ops.E001")]


@register()
def check_prefixes(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if any(not prefix.startswith("/") for prefix in settings.LOCAL_REPOSITORY_PREFIXES):
        found.append(Error("LOCAL_REPOSITORY_PREFIXES expects absolute folders.", id="ops.E002"))
    if any(not prefix.startswith("s3://") for prefix in settings.BUCKET_PREFIXES):
        found.append(Error("BUCKET_PREFIXES expects prefixes that begin with s3://.", id="ops.E003"))
    return found


@register()
def check_clone_user(**kwargs: Any) -> list[CheckMessage]:
    from dataprotect.ops.home import clone_user

    user = clone_user()
    if user is None:
        return []
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        hint = "Set CLONE_USER to an unprivileged account, or install PostgreSQL, which makes one."
        return [Warning(f"The clone user {user} does not exist.", hint=hint, id="ops.W002")]
    if account.pw_uid == 0:
        return [Error("CLONE_USER must not be root: PostgreSQL refuses root.", id="ops.E004")]
    return []


@register()
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """SQLite is for one machine: beside a Redis broker there are usually several."""
    connection = connections["default"]
    if connection.vendor == "sqlite" and "redis" in settings.Q_CLUSTER:
        hint = "Set DATABASE_URL to PostgreSQL when workers run on more than one machine."
        return [Warning("A Redis broker with SQLite serves one machine only.", hint=hint, id="ops.W003")]
    return []
