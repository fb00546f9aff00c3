"""Rotating the key that seals fields: a new key for new secrets, and every stored one moved to it."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models, transaction

from dataprotect.ops import secrets
from dataprotect.ops.services.audit import Actor, audit_record
from dataprotect.ops.services.sealed_factors import factors_reseal

SUFFIX = "_sealed"


def sealed_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Every (model, field) that keeps a sealed text; by convention their names end in `_sealed`."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.name.endswith(SUFFIX):
                yield model, field.name


def secrets_rotate(*, actor: Actor) -> tuple[str, int]:
    """A new current key, and every stored secret under it. Returns the key's id and how many were moved.

    Each row is moved in its own transaction: when this is cut short, old and new both still open, and the
    next run moves the rest.
    """
    key_id, moved = secrets.rotate(), 0
    for model, field in sealed_fields():
        rows = model._default_manager.exclude(**{field: ""})
        for key in list(rows.values_list("pk", flat=True)):
            moved += _move(model, field, key)
    moved += factors_reseal()
    with transaction.atomic():
        audit_record(actor=actor, verb="secrets.rotated", data={"key": key_id, "moved": moved})
    return key_id, moved


@transaction.atomic
def _move(model: type[models.Model], field: str, key: object) -> bool:
    row = model._default_manager.select_for_update().filter(pk=key).first()
    sealed = str(getattr(row, field) or "") if row is not None else ""
    if row is None or not sealed or not secrets.needs_reseal(sealed):
        return False
    moved = secrets.reseal(sealed, secrets.row_aad(row, field))
    return bool(model._default_manager.filter(pk=key).update(**{field: moved}))
