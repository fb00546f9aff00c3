"""`manage.py collect_logs`: stream the log of every instance of this site until told to stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.models import LogCollector
from catalog.selectors import instance_get
from catalog.services.log_collect import Collector


class Command(CatalogCommand):
    help = "Stream the log of every instance that wants it. Start it on two machines and one takes over."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--once", action="store_true", help="catch up with each server, then end")
        parser.add_argument("--instance", default="", metavar="NAME", help="this instance only")
        parser.add_argument("--site", default="", metavar="REGION", help="instances of this region only")

    def answer(self, **options: Any) -> dict[str, Any]:
        only = options["instance"]
        if only:
            instance_get(user=self.actor, name=only)
        stop = threading.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, lambda *_: stop.set())
        Collector(site=options["site"], only=only, once=options["once"]).run(stop)
        rows = LogCollector.objects.filter(instance__name=only) if only else LogCollector.objects.all()
        return {
            "collectors": [
                {
                    "instance": row.instance.name,
                    "state": row.state,
                    "timeline": row.timeline,
                    "shipped_position": row.shipped_position,
                    "last_error": row.last_error,
                }
                for row in rows.select_related("instance").order_by("instance__name")
            ]
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [
            f"{row['instance']}: stored up to {row['shipped_position'] or 'nothing'}"
            + (f" ({row['last_error']})" if row["last_error"] else "")
            for row in answer["collectors"]
        ]
