"""Changing what is known about an instance."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from catalog.models import Instance
from catalog.services import instance_input
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.services.opening import PASSWORD_FIELD
from dataprotect.core.secrets import Secret
from dataprotect.ops import secrets
from dataprotect.ops.services.audit import audit_record


@transaction.atomic
def instance_update(
    *, actor: Actor, instance: Instance, password: Secret | None = None, **changes: Any
) -> Instance:
    """Change the named fields; a password that is not given stays. Unchanged values make no event.

    The place it is stored in may change: older backups stay where they are.
    Raises `access.denied`, `input.…`.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    row = Instance.objects.select_for_update().select_related("tier", "repository").get(pk=instance.pk)
    current = {name: getattr(row, name) for name in instance_input.TLS_FIELDS}
    tls = current if instance_input.TLS_FIELDS & set(changes) else {}
    values = instance_input.cleaned({**tls, **changes})
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if password is not None:
        row.password_sealed = secrets.seal_field(row, PASSWORD_FIELD, instance_input.password(password))
    if changed or password is not None:
        save_clean(row)
        data = {name: _plain(value) for name, value in changed.items()}
        data |= {"password": "changed"} if password is not None else {}
        audit_record(actor=actor, verb="instance.changed", subject=row, data=data)
    return row


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, models.Model) else value
