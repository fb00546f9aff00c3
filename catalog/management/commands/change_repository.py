"""`manage.py change_repository NAME …`: how much of it may be used at once, and what it costs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import repository_get
from catalog.services.repository_update import FIELDS, repository_update

_NONE = "none"


class Command(CatalogCommand):
    help = "Change the limits or the price of a repository; what is not named stays."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--max-concurrent", type=int, metavar="N", help="backups and tests at once")
        parser.add_argument("--bandwidth-limit", metavar="N", help=f"bytes per second of all, or {_NONE}")
        parser.add_argument("--price-per-gb-month", metavar="P", help=f"such as 0.023, or {_NONE}")
        parser.add_argument("--price-currency", metavar="CUR", help="such as EUR")

    def answer(self, **options: Any) -> dict[str, Any]:
        changes = {
            name: None if options[name] == _NONE else options[name]
            for name in FIELDS
            if options[name] is not None
        }
        row = repository_update(
            actor=self.actor, repository=repository_get(user=self.actor, name=options["name"]), **changes
        )
        price = None if row.price_per_gb_month is None else str(row.price_per_gb_month)
        return {
            "name": row.name, "max_concurrent": row.max_concurrent, "bandwidth_limit": row.bandwidth_limit,
            "price_per_gb_month": price, "price_currency": row.price_currency,
        }  # fmt: skip

    def told(self, answer: dict[str, Any]) -> list[str]:
        limit = answer["bandwidth_limit"]
        rate = "as fast as it goes" if limit is None else f"at most {limit} bytes per second"
        return [f"The repository {answer['name']} takes {answer['max_concurrent']} at once, {rate}."]
