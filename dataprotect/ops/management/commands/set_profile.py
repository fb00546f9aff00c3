"""`manage.py set_profile [PROFILE]`: how this installation is run; without one, what stands."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from dataprotect.ops.management.answering import AnsweringCommand, person
from dataprotect.ops.operating_profile import OperatingProfile
from dataprotect.ops.selectors import operating_profile, profile_chosen
from dataprotect.ops.services.profile import profile_choose


class Command(AnsweringCommand):
    help = "Choose the operating profile, or show it. A looser one stands after a day."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("profile", nargs="?", metavar="PROFILE", help=", ".join(OperatingProfile))

    def answer(self, **options: Any) -> dict[str, Any]:
        if options["profile"]:
            profile_choose(actor=person(), profile=options["profile"])
        chosen = profile_chosen()
        return {"chosen": chosen.profile if chosen else None, "stands": str(operating_profile())}
