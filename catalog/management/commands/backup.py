"""`manage.py backup NAME`: take a backup now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.selectors import instance_get
from catalog.services import backup_start
from catalog.services.backup_start import READERS
from catalog.states import BackupType

_KEYS = (
    "backup_id", "type", "state", "reader", "files", "bytes_read", "bytes_stored", "seconds",
    "start_position", "stop_position", "peak_memory", "base_id", "parents", "type_reason",
)  # fmt: skip


class Command(JobCommand):
    help = "Take a backup of an instance and read it back."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--type", choices=BackupType.values, default=BackupType.FULL.value)
        parser.add_argument("--reader", choices=READERS, default="auto")

    def answer(self, **options: Any) -> dict[str, Any]:
        instance = instance_get(user=self.actor, name=options["name"])
        result = self.run(
            lambda: backup_start(
                actor=self.actor, instance=instance, type=options["type"], reader=options["reader"]
            )
        )
        self._warnings = list(result["warnings"])
        return {name: result[name] for name in _KEYS}

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f"The backup {answer['backup_id']} is {answer['state']}."]
        lines += [f"{name}: {answer[name]}" for name in _KEYS[3:-3]]
        if answer["base_id"]:
            lines.append(f"compared with: {answer['base_id']} (needs {', '.join(answer['parents'])})")
        return lines + [f"Warning: {warning}" for warning in self._warnings]
