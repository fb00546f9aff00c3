"""`manage.py grant_role USER ROLE`: give somebody a role. A shell could be anybody's, so it counts later."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog import roles
from catalog.management.foreground import CatalogCommand
from catalog.selectors.people import person_get, person_row
from catalog.services.role_grant import role_grant
from dataprotect.core import clock


class Command(CatalogCommand):
    help = "Give a person a role. Its rights hold at once; for approvals it counts after a day."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user", metavar="USER")
        parser.add_argument("role", metavar="ROLE", help=f"one of {', '.join(roles.ROLES)}")

    def answer(self, **options: Any) -> dict[str, Any]:
        user, role = person_get(name=options["user"]), options["role"]
        role_grant(actor=self.actor, user=user, role=role)
        start = next(held.counts_from for held in person_row(user=user).roles if held.name == role)
        return {"user": user.get_username(), "role": role, "counts_from": clock.iso(start or clock.now())}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            f"{answer['user']} is {answer['role']}; it counts for approvals from {answer['counts_from']}."
        ]
