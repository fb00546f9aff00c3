"""`manage.py probe NAME`: connect to an instance and say what is there."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import instance_get
from catalog.services import instance_probe_start


class Command(JobCommand):
    help = "Connect to an instance, look, change nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")

    def answer(self, **options: Any) -> dict[str, Any]:
        instance = instance_get(user=self.actor, name=options["name"])
        found: dict[str, Any] = self.run(lambda: instance_probe_start(actor=self.actor, instance=instance))
        return found

    def told(self, answer: dict[str, Any]) -> list[str]:
        protocol = answer["tls_protocol"] or "yes"
        lines = [
            f"PostgreSQL {answer['version']}, system {answer['system_identifier']}",
            f"Connection encrypted: {protocol if answer['encrypted'] else 'no'}",
            f"Data directory: {answer['data_directory']}"
            + (", readable here" if answer["data_directory_readable"] else ", not readable here"),
        ]
        for database in answer["databases"]:
            # `ascii`: a name on a server may hold anything, control characters for a terminal among it
            name = database["name"] if database["safe_name"] else ascii(database["name"])
            lines.append(f"  {name}: {database['size_bytes']} bytes, {database['tables']} tables")
        return lines + list(answer["warnings"])
