"""`manage.py stream_logs NAME on|off|policy`: is the log of this instance streamed?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from catalog.services.log_streaming_set import log_streaming_set

_CHOICES = {"on": True, "off": False, "policy": None}


class Command(CatalogCommand):
    help = "Stream the log of an instance, or do not, or do as its policy says. Off drops its slot."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("choice", choices=_CHOICES)

    def answer(self, **options: Any) -> dict[str, Any]:
        instance = instance_get(user=self.actor, name=options["name"])
        log_streaming_set(actor=self.actor, instance=instance, wanted=_CHOICES[options["choice"]])
        return {"instance": instance.name, "streaming": options["choice"]}
