"""`manage.py advise NAME`: which backups, how often, and what that means for restores and for the bill."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors.advice import advice
from dataprotect.core import validation
from dataprotect.engine.adviser import size, span


class Command(CatalogCommand):
    help = "Recommend a schedule for an instance, with the reasons and the measurements behind them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")

    def answer(self, **options: Any) -> dict[str, Any]:
        return asdict(advice(user=self.actor, name=validation.instance_name(options["name"])))

    def told(self, answer: dict[str, Any]) -> list[str]:
        restore, backup = answer["restore"], answer["backup"]
        return [
            *answer["reasons"],
            f"A full backup takes about {span(backup['seconds'])}: {backup['detail']}{_guessed(backup)}",
            f"A restore takes about {span(restore['seconds'])}: {restore['detail']}{_guessed(restore)}",
            *(_cost(cost, answer["currency"]) for cost in answer["costs"]),
            *(f"WARNING: {words}" for words in answer["warnings"]),
            *(f"Guess: {name.replace('_', ' ')}: {one['source']}."
              for name, one in answer["figures"].items() if one["guess"]),
        ]  # fmt: skip


def _guessed(estimate: dict[str, Any]) -> str:
    return " Partly a guess." if estimate["guess"] else ""


def _cost(cost: dict[str, Any], currency: str) -> str:
    when = "Now" if not cost["months"] else f"In {cost['months']} months"
    price = "" if cost["per_month"] is None else f", {cost['per_month']:.2f} {currency} a month"
    return f"{when}: {size(cost['stored_bytes'])} stored{price}."
