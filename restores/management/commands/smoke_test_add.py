"""`manage.py smoke_test_add INSTANCE NAME QUESTION`: what is asked after every restore onto an instance."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from restores.services.smoke_test import smoke_test_add
from restores.states import SmokeTestKind


class Command(CatalogCommand):
    help = "Keep an application's own question with an instance: asked after every restore of its databases."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("instance", metavar="INSTANCE")
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("question", metavar="QUESTION", help="a query that reads, or an address")
        parser.add_argument("--kind", choices=SmokeTestKind.values, default=SmokeTestKind.SQL)
        parser.add_argument("--database", default="", help="empty: any that is restored")
        parser.add_argument("--expected", default="", help="first value as text, or words on the page")
        parser.add_argument("--timeout-seconds", type=int, default=10, metavar="N")

    def answer(self, **options: Any) -> dict[str, Any]:
        fields = ("name", "question", "kind", "database", "expected", "timeout_seconds")
        row = smoke_test_add(
            actor=self.actor,
            instance=instance_get(user=self.actor, name=options["instance"]),
            **{name: options[name] for name in fields},
        )
        return {"instance": row.instance.name, "name": row.name, "kind": str(row.kind)}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"{answer['name']} is asked after every restore onto {answer['instance']}."]
