"""`manage.py serve`: web, workers and log collector of this home on this machine, until Ctrl-C."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from dataprotect.ops import serving


class Command(BaseCommand):
    help = "Run the web pages, the workers and the log collector of this home until Ctrl-C, which stops them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--listen", default=settings.BIND, help="host:port of the web pages")

    def handle(self, *args: Any, listen: str, **options: Any) -> None:
        serving.stop_on_signals()
        call_command("migrate", interactive=False, verbosity=0)
        plain = serving.plain_on_loopback(listen)
        supervisor = serving.Supervisor([serving.web(listen, plain), serving.workers(), serving.collector()])
        try:
            supervisor.start()
            self._say(f"The pages are at http://{listen}/, the logs in {settings.DATAPROTECT_HOME}/logs.")
            self._say("Press Ctrl-C to stop.")
            supervisor.watch()
        except KeyboardInterrupt:
            self._say("Stopping.")
        finally:
            supervisor.stop()

    def _say(self, line: str) -> None:
        """At once, also to a file or a service's journal, where lines would wait until there are many."""
        self.stdout.write(line)
        self.stdout.flush()
