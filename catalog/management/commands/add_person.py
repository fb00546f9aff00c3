"""`manage.py add_person USER [--role ROLE]…`: somebody who may sign in; the password is shown this once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from catalog import roles
from catalog.management.foreground import CatalogCommand
from catalog.services.person import person_add
from catalog.services.role_grant import role_grant


class Command(CatalogCommand):
    help = "Make a person who may sign in, with their roles. The password is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user", metavar="USER")
        parser.add_argument(
            "--role", action="append", default=[], metavar="ROLE", help=f"one of {', '.join(roles.ROLES)}"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        with transaction.atomic():
            user, password = person_add(actor=self.actor, name=options["user"])
            for role in options["role"]:
                role_grant(actor=self.actor, user=user, role=role)
        return {"user": user.get_username(), "roles": options["role"], "password": password.reveal()}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [answer["password"], "It is not stored and cannot be shown again. Have it changed at once."]
