"""`manage.py change_instance NAME …`: another address or password, or what a rebuilt catalog cannot know."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.management.password_file import read_password
from catalog.selectors import instance_get
from catalog.services import instance_update
from catalog.states import Environment, TlsMode

_FIELDS = (
    "host", "port", "user", "database", "data_directory", "environment", "tier", "repository", "region",
    "tls_mode", "tls_ca_file", "tls_certificate_file", "tls_key_file",
)  # fmt: skip


class Command(CatalogCommand):
    help = "Change what is registered about an instance; what is not named stays."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--password-file", metavar="F", help="a file with mode 0600, or - for standard input"
        )
        choices: dict[str, list[str]] = {"environment": Environment.values, "tls_mode": TlsMode.values}
        for field in _FIELDS:
            parser.add_argument(f"--{field.replace('_', '-')}", choices=choices.get(field), metavar="VALUE")

    def answer(self, **options: Any) -> dict[str, Any]:
        place = options["password_file"]
        row = instance_update(
            actor=self.actor,
            instance=instance_get(user=self.actor, name=options["name"]),
            password=read_password(place) if place else None,
            **{name: options[name] for name in _FIELDS if options[name] is not None},
        )
        return {"name": row.name, "host": row.host, "port": row.port, "has_password": row.has_password}

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"The instance {answer['name']} is changed."]
