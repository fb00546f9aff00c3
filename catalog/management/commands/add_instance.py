"""`manage.py add_instance NAME …`: a server to protect."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.management.password_file import read_password
from catalog.models import Instance
from catalog.services import instance_add
from catalog.states import Environment, TlsMode
from dataprotect.engine import databases


class Command(CatalogCommand):
    help = "Register an instance. It is connected to first, and registered only if that works."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--engine", required=True, choices=databases.names())
        parser.add_argument("--host", required=True, metavar="H", help="name, address or socket folder")
        parser.add_argument("--port", required=True, metavar="P")
        parser.add_argument("--user", required=True, metavar="U")
        parser.add_argument(
            "--password-file", metavar="F", help="a file with mode 0600, or - for standard input"
        )
        parser.add_argument("--database", default="postgres", metavar="D", help="where to connect first")
        parser.add_argument("--data-directory", default="", metavar="D")
        parser.add_argument("--environment", required=True, choices=Environment.values)
        parser.add_argument("--tier", required=True, metavar="T", help="critical, standard or archival")
        parser.add_argument("--repository", required=True, metavar="R")
        parser.add_argument("--region", default="", metavar="R")
        self._add_tls(parser)
        parser.add_argument("--no-probe", action="store_true", help="register it without connecting first")

    def _add_tls(self, parser: CommandParser) -> None:
        parser.add_argument("--tls-mode", choices=TlsMode.values, default=TlsMode.PREFER.value)
        parser.add_argument("--tls-ca-file", default="", metavar="F")
        parser.add_argument("--tls-certificate-file", default="", metavar="F")
        parser.add_argument("--tls-key-file", default="", metavar="F")

    def answer(self, **options: Any) -> dict[str, Any]:
        place = options["password_file"]
        passed_on = (
            "name", "engine", "host", "port", "user", "database", "data_directory", "environment", "tier",
            "repository", "region", "tls_mode", "tls_ca_file", "tls_certificate_file", "tls_key_file",
        )  # fmt: skip
        row = instance_add(
            actor=self.actor,
            password=read_password(place) if place else None,
            probe=not options["no_probe"],
            **{name: options[name] for name in passed_on},
        )
        return _facts(row)

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f"The instance {answer['name']} is registered."]
        if answer["server_version"]:
            words = "encrypted" if answer["encrypted"] else "not encrypted"
            lines.append(f"PostgreSQL {answer['server_version']}; the connection is {words}.")
        return lines + answer["warnings"]


def _facts(row: Instance) -> dict[str, Any]:
    return {
        "name": row.name,
        "instance_id": row.identifier,
        "engine": row.engine,
        "host": row.host,
        "port": row.port,
        "environment": row.environment,
        "tier": row.tier.name,
        "repository": row.repository.name,
        "server_version": row.server_version,
        "system_identifier": row.system_identifier,
        "encrypted": row.connection_encrypted,
        "databases": list(row.databases.filter(is_present=True).values_list("name", flat=True)),
        "warnings": row.probe_warnings,
    }
