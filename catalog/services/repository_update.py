"""What a repository costs, and how much of it may be used at once."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction

from catalog.models import Repository
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from dataprotect.core.errors import InvalidInput
from dataprotect.core.validation import shown
from dataprotect.ops.services.audit import audit_record

FIELDS = frozenset({"max_concurrent", "bandwidth_limit", "price_per_gb_month", "price_currency"})


@transaction.atomic
def repository_update(*, actor: Actor, repository: Repository, **changes: Any) -> Repository:
    """Change the named fields of FIELDS; limits hold for what starts from now on.

    bandwidth_limit in bytes per second, price per GB (10⁹ bytes) and month; None takes either away.
    Raises `access.denied`, `input.…`.
    """
    require(actor=actor, permission="catalog.change_repository")
    unknown = set(changes) - FIELDS
    if unknown:
        raise InvalidInput(min(unknown), f"There is nothing called {shown(min(unknown))} to set.")
    if changes.get("price_per_gb_month") is not None:
        changes["price_per_gb_month"] = _price(changes["price_per_gb_month"])
    row = Repository.objects.select_for_update().get(pk=repository.pk)
    before = {name: getattr(row, name) for name in changes}
    if before == changes:
        return row
    for name, value in changes.items():
        setattr(row, name, value)
    save_clean(row)
    data = {"before": _plain(before), "after": _plain(changes)}
    audit_record(actor=actor, verb="repository.changed", subject=row, data=data)
    return row


def _price(value: object) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise InvalidInput("price_per_gb_month", f"Expected a price such as 0.023; got {shown(str(value))}.")
    return found


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}
