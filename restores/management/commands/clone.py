"""`manage.py clone BACKUP_ID | --instance NAME`: an isolated server brought up from a backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from restores.management.targets import add_target_arguments, read_target
from restores.services import clone_start

_SHOWN = ("clone_id", "dsn", "data_directory")
_OF_TARGET = ("backup_id", "target", "reached_position", "reached_at", "reached_reason")


class Command(JobCommand):
    help = "Bring up a clone: private socket, no network, archiving off. It stays until it is dropped."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_target_arguments(parser)

    def answer(self, **options: Any) -> dict[str, Any]:
        backup, instance, target = read_target(self.actor, options)
        result = self.run(
            lambda: clone_start(actor=self.actor, backup=backup, instance=instance, target=target)
        )
        return {name: result[name] for name in (*_SHOWN, *(_OF_TARGET if target else ()))}

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f'The clone {answer["clone_id"]} is ready: psql "{answer["dsn"]}"']
        if "target" in answer:
            last = f", last transaction {answer['reached_at']}" if answer["reached_at"] else ""
            lines.append(
                f"It stands at {answer['target']}: LSN {answer['reached_position']} "
                f"({answer['reached_reason']}){last}, from {answer['backup_id']}."
            )
        return [*lines, f"Drop it with: manage.py drop_clone {answer['clone_id']}"]
