"""`manage.py log_slots NAME`: the replication slots of ours on an instance's server; `--drop` one of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from catalog.services.log_slots import slot_drop, slots_list


class Command(CatalogCommand):
    help = "Show the replication slots that were made for log streaming on an instance's server."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--drop", metavar="SLOT", help="drop this one; nobody may be streaming from it")

    def answer(self, **options: Any) -> dict[str, Any]:
        instance = instance_get(user=self.actor, name=options["name"])
        dropped = None
        if options["drop"]:
            dropped = slot_drop(actor=self.actor, instance=instance, name=options["drop"])
        return {
            "slots": [asdict(slot) for slot in slots_list(actor=self.actor, instance=instance)],
            "dropped": dropped,
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [] if answer["dropped"] is None else ["Dropped." if answer["dropped"] else "There was none."]
        lines += [
            f"{slot['name']}: {slot['instance'] or 'no registered instance'}, {slot['status']}, "
            f"{'in use' if slot['active'] else 'not in use'}, keeps {slot['retained_bytes'] or 0} bytes"
            for slot in answer["slots"]
        ]
        return lines or ["There are none."]
