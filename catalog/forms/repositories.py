"""How much of a repository may be used at once, and what it costs."""

from __future__ import annotations

from typing import Any

from django import forms

from catalog.forms.bandwidth import mib_of, with_limit
from catalog.models import Repository
from dataprotect.ops.forms import HouseForm


class LimitsForm(HouseForm):
    max_concurrent = forms.IntegerField(
        label="At once", min_value=1, max_value=64,
        help_text="Backups and tests of all its instances; what a person starts counts and is not held back.",
    )  # fmt: skip
    bandwidth_mib = forms.FloatField(
        required=False, label="At most MiB/s", min_value=0.0625,
        help_text="Of all backups, tests and rereading together. Empty: as fast as it goes.",
    )  # fmt: skip
    price_per_gb_month = forms.DecimalField(
        required=False, label="Price of a GB and month", min_value=0, max_digits=10, decimal_places=5,
        help_text="For the forecasts of the adviser, such as 0.023.",
    )  # fmt: skip
    price_currency = forms.CharField(label="Currency", min_length=3, max_length=3, help_text="Such as EUR.")

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        typed = with_limit(self, self.cleaned_data)
        return typed | {"price_currency": typed["price_currency"].upper()}


def limits_of(repository: Repository) -> dict[str, Any]:
    """What the form begins with."""
    return {
        "max_concurrent": repository.max_concurrent,
        "bandwidth_mib": mib_of(repository.bandwidth_limit),
        "price_per_gb_month": repository.price_per_gb_month,
        "price_currency": repository.price_currency,
    }
