"""`manage.py add_repository NAME URL`: a place to keep backups."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.services import repository_add


class Command(CatalogCommand):
    help = "Register a repository; it is made at the address unless there is one already."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "url", metavar="URL", help="an absolute folder, file:///folder or s3://bucket/path"
        )
        parser.add_argument("--region", default="", metavar="R")

    def answer(self, **options: Any) -> dict[str, Any]:
        row = repository_add(
            actor=self.actor, name=options["name"], url=options["url"], region=options["region"]
        )
        return {
            "name": row.name,
            "url": row.url,
            "region": row.region,
            "repository_id": row.repository_id,
            "free_bytes": row.free_bytes,
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"The repository {answer['name']} at {answer['url']} is ready."]
