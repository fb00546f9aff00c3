"""`manage.py accept_cluster NAME IDENTIFIER`: another cluster replaces the instance's, on purpose."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from catalog.services import cluster_accept


class Command(CatalogCommand):
    help = "Accept the cluster that answers at an instance's address now, after a major upgrade for example."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("system_identifier", metavar="IDENTIFIER", help="the new cluster's own")

    def answer(self, **options: Any) -> dict[str, Any]:
        row = cluster_accept(
            actor=self.actor,
            instance=instance_get(user=self.actor, name=options["name"]),
            system_identifier=options["system_identifier"],
        )
        return {"name": row.name, "system_identifier": row.system_identifier, "version": row.server_version}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            f"{answer['name']} is the cluster {answer['system_identifier']} (PostgreSQL {answer['version']}) "
            "from now on; its next backup is a full one."
        ]
