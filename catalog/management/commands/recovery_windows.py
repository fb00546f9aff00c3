"""`manage.py recovery_windows NAME`: to which instants an instance can be restored, and why not to others."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from catalog.selectors.recovery import recovery_timeline
from dataprotect.core import clock, validation
from dataprotect.engine.timeline_show import shown_gap, shown_window, told_gap, told_window


class Command(CatalogCommand):
    help = "List the recovery windows of an instance and the gaps between them, with reasons."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")

    def answer(self, **options: Any) -> dict[str, Any]:
        instance = instance_get(user=self.actor, name=validation.instance_name(options["name"]))
        found = recovery_timeline(instance=instance)
        return {
            "instance": instance.name,
            "newest": clock.iso(found.newest_at) if found.newest_at else None,
            "windows": [shown_window(window) for window in found.found.windows],
            "gaps": [shown_gap(gap) for gap in found.found.gaps],
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        if not answer["windows"]:
            return ["There is no recovery window yet: no checked backup is stored."]
        lines = [told_window(window) for window in answer["windows"]]
        return lines + [told_gap(gap) for gap in answer["gaps"]]
