"""The base of every command: words for people, or one JSON object last for programs.

A `ForeseenError` passes through; `manage.py` prints it and exits 1. Wrong usage exits 2 (argparse).
"""

from __future__ import annotations

import getpass
import json
from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder


class AnsweringCommand(BaseCommand):
    """Override `answer` (does the work, returns plain data) and `told` (the same in words)."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        answer = self.answer(**options)
        for line in self.told(answer):
            self.stdout.write(line)
        if options["json"]:
            self.stdout.write(json.dumps(answer, cls=DjangoJSONEncoder))

    @abstractmethod
    def answer(self, **options: Any) -> dict[str, Any]:
        """Do it."""

    def told(self, answer: dict[str, Any]) -> list[str]:
        """One line per fact."""
        return [f"{name}: {value}" for name, value in answer.items()]


def person() -> str:
    """Who runs this command, for the audit chain: `command:root`."""
    try:
        return f"command:{getpass.getuser()}"
    except (KeyError, OSError):
        return "command:unknown"
