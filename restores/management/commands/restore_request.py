"""`manage.py restore_request`: ask for a restore. Onto a server it has to be signed before it is started."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from dataprotect.core import clock, validation
from dataprotect.core.errors import InvalidInput
from restores.management.restores import plain
from restores.management.targets import add_target_arguments, read_target
from restores.services.request_draft import Wish, restore_draft
from restores.services.request_submit import restore_submit
from restores.states import Scope, TableMode


class Command(CatalogCommand):
    help = "Ask for a restore: the plan is frozen, and signed by the people its blast radius takes."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_target_arguments(parser)
        parser.add_argument("--scope", choices=Scope.values, default=Scope.TEST)
        parser.add_argument("--onto", default="", metavar="NAME", help="instance that is changed; no default")
        parser.add_argument("--database", action="append", default=[], metavar="NAME")
        parser.add_argument("--table", action="append", default=[], metavar="SCHEMA.TABLE")
        parser.add_argument("--mode", choices=TableMode.values, default="", help="what becomes of the rows")
        parser.add_argument("--reason", default="")
        parser.add_argument("--ticket", default="")
        parser.add_argument("--window-start", default="", metavar="INSTANT")
        parser.add_argument("--window-end", default="", metavar="INSTANT")
        parser.add_argument("--confirm", default="", metavar="NAME", help="type the name of what is replaced")

    def answer(self, **options: Any) -> dict[str, Any]:
        backup, instance, target = read_target(self.actor, options)
        source = backup.instance if backup is not None else instance
        assert source is not None  # noqa: S101  read_target asks for one of them
        onto = instance_get(user=self.actor, name=options["onto"]) if options["onto"] else None
        wish = Wish(
            scope=options["scope"], target_instance=onto, backup=backup, recovery_target=target,
            databases=options["database"], tables=[_table(each) for each in options["table"]],
            table_mode=options["mode"], reason=options["reason"], ticket=options["ticket"],
            window_start=_instant(options["window_start"]), window_end=_instant(options["window_end"]),
        )  # fmt: skip
        row = restore_draft(actor=self.actor, instance=source, wish=wish)
        return plain(restore_submit(actor=self.actor, request=row, typed_target=options["confirm"]))

    def told(self, answer: dict[str, Any]) -> list[str]:
        roles = " and ".join(answer["missing"]) or "nobody else"
        return [
            f"{answer['restore_id']} is {answer['state']}. To be signed as: {roles}.",
            f"Plan {answer['plan_hash']}, about {answer['expected_seconds']:.0f} s. {answer['loss_because']}",
        ]


def _table(text: str) -> tuple[str, str]:
    schema, dot, table = text.partition(".")
    if not (schema and dot and table):
        raise InvalidInput("table", f"Expected schema.table, got {validation.shown(text)}.")
    return schema, table


def _instant(text: str) -> datetime | None:
    try:
        return clock.parse_iso(text) if text else None
    except ValueError:
        wanted = "Expected an instant with its zone, such as 2026-11-22T15:07:58Z"
        raise InvalidInput("window", f"{wanted}, got {validation.shown(text)}.") from None
