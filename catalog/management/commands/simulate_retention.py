"""`manage.py simulate_retention NAME|--all`: what goes when, and why each other stays."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.management.instants import future_instant
from catalog.selectors import Simulation, retention_simulation, retention_simulations
from dataprotect.core import clock


class Command(CatalogCommand):
    help = "Show what retention keeps and lets go, with every reason. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("name", metavar="NAME", nargs="?")
        which.add_argument("--all", action="store_true", help="every instance")
        parser.add_argument("--at", metavar="DATE", help="as if it were then: 2027-01-31T00:00:00Z")

    def answer(self, **options: Any) -> dict[str, Any]:
        at = future_instant("at", options["at"]) if options["at"] else clock.now()
        if options["all"]:
            found = retention_simulations(user=self.actor, at=at)
        else:
            found = [retention_simulation(user=self.actor, name=options["name"], at=at)]
        return {"at": clock.iso(at), "instances": [_plain(simulation) for simulation in found]}

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f"At {answer['at']}:"]
        for instance in answer["instances"]:
            going, size = instance["going"], instance["bytes_going"]
            lines.append(f"{instance['name']}: {instance['staying']} stay, {going} go ({size} bytes).")
            for backup in instance["backups"]:
                lines += _told(backup)
        return lines


def _plain(simulation: Simulation) -> dict[str, Any]:
    return {
        "name": simulation.instance.name,
        "staying": len(simulation.staying),
        "going": len(simulation.going),
        "bytes_staying": simulation.bytes_staying,
        "bytes_going": simulation.bytes_going,
        "backups": [
            {
                "backup_id": item.backup.backup_id,
                "type": item.backup.type,
                "state": item.backup.state,
                "stopped_at": clock.iso(item.backup.stopped_at),
                "bytes": item.backup.bytes_stored,
                "keep": item.keep,
                "goes_on": clock.iso(item.goes_on) if item.goes_on else None,
                "reasons": list(item.reasons),
            }
            for item in simulation.backups
        ],
    }


def _told(backup: dict[str, Any]) -> list[str]:
    end = f"goes on {backup['goes_on']}" if backup["goes_on"] else "no end known"
    word = f"stays, {end}" if backup["keep"] else "GOES"
    return [f"  {backup['backup_id']} ({backup['state']}) {word}"] + [
        f"      {sentence}" for sentence in backup["reasons"]
    ]
