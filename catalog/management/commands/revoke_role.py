"""`manage.py revoke_role USER ROLE`: take a role back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors.people import person_get
from catalog.services.role_grant import role_revoke


class Command(CatalogCommand):
    help = "Take a role from a person, at once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user", metavar="USER")
        parser.add_argument("role", metavar="ROLE")

    def answer(self, **options: Any) -> dict[str, Any]:
        user = person_get(name=options["user"])
        role_revoke(actor=self.actor, user=user, role=options["role"])
        return {"user": user.get_username(), "role": options["role"]}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"{answer['user']} is not {answer['role']} any more."]
