"""`manage.py change_person USER`: switch off or on, a new password, forget the second factors."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from catalog.management.foreground import CatalogCommand
from catalog.selectors.people import person_get
from catalog.services.person import person_forget_factors, person_new_password, person_switch


class Command(CatalogCommand):
    help = "Switch a person off or on, give a new password, or forget second factors that were lost."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user", metavar="USER")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument("--off", action="store_true", help="nobody signs in as them; no role counts")
        switch.add_argument("--on", action="store_true")
        parser.add_argument("--new-password", action="store_true", help="shown this once")
        parser.add_argument("--forget-second-factors", action="store_true", help="for whoever lost theirs")

    @transaction.atomic
    def answer(self, **options: Any) -> dict[str, Any]:
        user = person_get(name=options["user"])
        answer: dict[str, Any] = {"user": user.get_username()}
        if options["off"] or options["on"]:
            person_switch(actor=self.actor, user=user, active=options["on"])
            answer["active"] = options["on"]
        if options["forget_second_factors"]:
            answer["factors_forgotten"] = person_forget_factors(actor=self.actor, user=user)
        if options["new_password"]:
            answer["password"] = person_new_password(actor=self.actor, user=user).reveal()
        return answer
