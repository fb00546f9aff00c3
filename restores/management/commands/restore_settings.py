"""`manage.py restore_settings NAME …`: what restoring onto an instance is set up with, or another value."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.management.password_file import read_password
from catalog.selectors import instance_get
from dataprotect.core.errors import InvalidInput
from restores.models import RestoreSettings
from restores.services.restore_account import restore_settings, restore_settings_set

_NUMBERS = {
    "jobs": int, "keep_hours": int, "watch_seconds": int, "drain_seconds": int,
    "duration_limit_percent": int, "mismatch_limit_permille": float, "free_limit_percent": int,
}  # fmt: skip
_HOOKS = ("stop_command", "start_command")
_FIELDS = ("user", "http_prefixes", *_NUMBERS, *_HOOKS)


class Command(CatalogCommand):
    help = "Say what restoring onto an instance is set up with, or change what is named."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--user", help="the account that may write; empty: the one of the backups")
        parser.add_argument("--password-file", metavar="F", help="with mode 0600, or - for standard input")
        parser.add_argument(
            "--http-prefix", action="append", dest="http_prefixes", metavar="URL",
            help="where smoke tests may go; all of them, since these replace what was there",
        )  # fmt: skip
        for field, kind in _NUMBERS.items():
            parser.add_argument(f"--{field.replace('_', '-')}", type=kind, metavar="N")
        for field in _HOOKS:
            parser.add_argument(f"--{field.replace('_', '-')}", metavar="JSON", help='such as ["/bin/true"]')

    def answer(self, **options: Any) -> dict[str, Any]:
        instance = instance_get(user=self.actor, name=options["name"])
        fields = {name: options[name] for name in _FIELDS if options[name] is not None}
        fields |= {name: _words(name, fields[name]) for name in _HOOKS if name in fields}
        place = options["password_file"]
        if not fields and not place:
            return _plain(restore_settings(instance))
        row = restore_settings_set(
            actor=self.actor, instance=instance, password=read_password(place) if place else None, **fields
        )
        return _plain(row)

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [f"{name.replace('_', ' ')}: {value}" for name, value in answer.items()]


def _plain(row: RestoreSettings) -> dict[str, Any]:
    """The password is write-only: whether there is one is all that is said."""
    return {name: getattr(row, name) for name in _FIELDS} | {"has_password": bool(row.password_sealed)}


def _words(name: str, text: str) -> Any:
    """Whether it is a list of words the service judges."""
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput(name, 'Expected a JSON list of words, such as ["/bin/true"].') from None
