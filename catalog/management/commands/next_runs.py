"""`manage.py next_runs NAME`: what its policy does next for an instance, and what is overdue."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors.policies import instance_schedule
from catalog.states import RunKind
from dataprotect.core import clock, validation
from dataprotect.core.errors import InvalidInput

_MOST = 100


class Command(CatalogCommand):
    help = "Show the next runs of an instance, with what its time zone and its windows make of them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--count", type=int, default=5, metavar="N")

    def answer(self, **options: Any) -> dict[str, Any]:
        if not 1 <= options["count"] <= _MOST:
            raise InvalidInput("count", f"Expected from 1 to {_MOST} runs.")
        name = validation.instance_name(options["name"])
        found = instance_schedule(user=self.actor, name=name, count=options["count"])
        zone = found.policy.timezone if found.policy is not None else "UTC"
        return {
            "instance": name,
            "policy": found.policy.name if found.policy is not None else None,
            "timezone": zone,
            "runs": [
                {
                    "kind": run.kind,
                    "due_at": clock.iso(run.due_at),
                    "local": run.due_at.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"),
                    "starts_at": clock.iso(run.starts_at) if run.starts_at is not None else None,
                    "note": run.note,
                }
                for run in found.coming
            ],
            "overdue": [{"kind": one.kind, "due_at": clock.iso(one.due_at)} for one in found.state.overdue],
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        if answer["policy"] is None:
            return [f"{answer['instance']} has no policy: nothing runs by itself."]
        lines = [_told(run) for run in answer["runs"]]
        return lines + [
            f"OVERDUE: the {_label(one['kind'])} due {one['due_at']} has not succeeded."
            for one in answer["overdue"]
        ]


def _told(run: dict[str, Any]) -> str:
    start = run["starts_at"] or "never: no window is free of blackouts"
    waits = "" if run["starts_at"] == run["due_at"] else f" Starts {start}."
    return f"{run['local']}  {_label(run['kind'])}.{waits} {run['note']}".rstrip()


def _label(kind: str) -> str:
    return RunKind(kind).label.lower()
