"""`manage.py create_api_token USER NAME`: a bearer token, printed once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.services import token_create
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.validation import shown


class Command(CatalogCommand):
    help = "Make a token for the API. It acts as its user and is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user", metavar="USER")
        parser.add_argument("name", metavar="NAME", help="what it is for")
        parser.add_argument("--days", type=int, metavar="N", help="how long it is good; for ever without")

    def answer(self, **options: Any) -> dict[str, Any]:
        owner = User.objects.filter(username=options["user"], is_active=True).first()
        if owner is None:
            raise ForeseenError(
                "user.not_found", f"There is no active user {shown(options['user'])}.", "Check the name."
            )
        row, text = token_create(
            actor=self.actor, owner=owner, name=options["name"], expires_at=_end(options["days"])
        )
        return {"name": row.name, "user": owner.get_username(), "token": text, "expires_at": row.expires_at}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [answer["token"], "It is not stored and cannot be shown again."]


def _end(days: int | None) -> Any:
    if days is None:
        return None
    if not 1 <= days <= 3650:
        raise InvalidInput("days", "Expected a number of days from 1 to 3650.")
    return clock.now() + timedelta(days=days)
