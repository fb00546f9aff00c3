"""The account that may write, kept apart from the one that backs up, and what else restoring needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from catalog.models import Instance
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.services.opening import source_of
from dataprotect.core.errors import InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.engine.model import Address
from dataprotect.ops import secrets
from dataprotect.ops.services.audit import audit_record
from dataprotect.ops.step_up import require_fresh
from restores.models import RestoreSettings
from restores.services.hook_rules import HOOKS, hooks_check
from restores.services.http_address import host_and_port

_FIELDS = frozenset(
    {
        "user", "stop_command", "start_command", "jobs", "keep_hours", "watch_seconds", "drain_seconds",
        "duration_limit_percent", "mismatch_limit_permille", "free_limit_percent", "http_prefixes",
    }
)  # fmt: skip
_LISTS = ("stop_command", "start_command", "http_prefixes")


@transaction.atomic
def restore_settings_set(
    *,
    actor: Actor,
    instance: Instance,
    password: Secret | None = None,
    fresh_at: datetime | None = None,
    **fields: Any,
) -> RestoreSettings:
    """Set what is named and leave the rest. Another hook takes a fresh proof of who a person is.

    Raises `access.denied`, `access.step_up`, InvalidInput.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise InvalidInput(unknown[0], f"Expected one of {', '.join(sorted(_FIELDS))}.")
    for name in _LISTS:
        _must_be_words(name, fields.get(name, []))
    for address in fields.get("http_prefixes", []):
        host_and_port(address, "http_prefixes")
    row, _ = RestoreSettings.objects.get_or_create(instance=instance)
    hooks = {name: fields[name] for name in HOOKS if name in fields and fields[name] != getattr(row, name)}
    if hooks and isinstance(actor, User):
        require_fresh(fresh_at=fresh_at)
    hooks_check(**hooks)
    for name, value in fields.items():
        setattr(row, name, value)
    if password is not None:
        row.password_sealed = secrets.seal_field(row, "password_sealed", password)
    save_clean(row)
    data = {"changed": sorted(fields) + (["password"] if password is not None else []), "hooks": hooks}
    audit_record(actor=actor, verb="restore.settings_changed", subject=instance.subject, data=data)
    return row


def restore_settings(instance: Instance) -> RestoreSettings:
    """The row, or an unsaved one with the defaults."""
    return RestoreSettings.objects.filter(instance=instance).first() or RestoreSettings(instance=instance)


def restore_address(instance: Instance) -> Address:
    """How to enter the server in order to write; the backups' own account where no other was given."""
    address, row = source_of(instance).address, restore_settings(instance)
    if not row.user:
        return address
    return replace(address, user=row.user, password=secrets.open_field(row, "password_sealed"))


def _must_be_words(name: str, value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise InvalidInput(name, "Expected a list of words: a program and its arguments. There is no shell.")
