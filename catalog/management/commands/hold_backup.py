"""`manage.py hold_backup BACKUP_ID …`: a legal hold on a backup, or on all of an instance."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.management.instants import future_instant
from catalog.selectors import backup_get, instance_get
from catalog.services import hold_place
from dataprotect.core import clock, validation


class Command(CatalogCommand):
    help = "Forbid the deletion of a backup and of all it depends on, until the hold ends or is lifted."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("backup_id", metavar="BACKUP_ID", nargs="?")
        which.add_argument("--instance", metavar="NAME", help="everything of this instance, also later")
        parser.add_argument("--reason", required=True, metavar="WORDS")
        parser.add_argument("--matter", required=True, metavar="REFERENCE", help="such as a case number")
        parser.add_argument("--owner", default="", metavar="WHO", help="who answers questions about it")
        parser.add_argument("--until", metavar="DATE", help="2027-01-31T00:00:00Z; else until it is lifted")

    def answer(self, **options: Any) -> dict[str, Any]:
        backup = None
        if options["instance"]:
            instance = instance_get(user=self.actor, name=options["instance"])
        else:
            backup = backup_get(user=self.actor, backup_id=validation.backup_id(options["backup_id"]))
            instance = backup.instance
        hold = hold_place(
            actor=self.actor,
            instance=instance,
            backup=backup,
            reason=options["reason"],
            matter=options["matter"],
            owner=options["owner"],
            until=future_instant("until", options["until"]) if options["until"] else None,
        )
        return {
            "hold": hold.pk,
            "instance": instance.name,
            "backup_id": backup.backup_id if backup is not None else None,
            "matter": hold.matter,
            "owner": hold.owner,
            "until": clock.iso(hold.until) if hold.until else None,
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        what = answer["backup_id"] or f"everything of {answer['instance']}"
        return [f"The hold {answer['hold']} ({answer['matter']}) keeps {what}."]
