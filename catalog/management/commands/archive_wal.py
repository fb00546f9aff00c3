"""`manage.py archive_wal PATH --instance NAME`, and `--prepare NAME` before the first use.

A server should call `python -m dataprotect.engine.archive_wal %p --instance NAME --home …` instead: the same
without Django's start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from catalog.management.foreground import CatalogCommand
from catalog.selectors import instance_get
from catalog.services.log_archive import archive_prepare, archived_adopt
from dataprotect.core.errors import InvalidInput
from dataprotect.engine.archive_wal import archive


class Command(CatalogCommand):
    help = "Ship one file of pg_wal into the repository (for archive_command), or prepare that."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", nargs="?", type=Path, metavar="PATH", help="the server's %%p")
        parser.add_argument("--instance", metavar="NAME")
        parser.add_argument(
            "--prepare", metavar="NAME", help="write what the small program needs, and say how"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        home = Path(settings.DATAPROTECT_HOME)
        if options["prepare"]:
            instance = instance_get(user=self.actor, name=options["prepare"])
            place = archive_prepare(actor=self.actor, instance=instance)
            program = f"cd {settings.BASE_DIR} && {sys.executable} -m dataprotect.engine.archive_wal"
            command = f"{program} $OLDPWD/%p --instance {instance.name} --home {home}"
            return {"file": str(place), "archive_command": command}
        if not options["path"] or not options["instance"]:
            raise InvalidInput("path", "Expected the path of a file of pg_wal and --instance NAME.")
        done = archive(home, options["instance"], options["path"].absolute())
        archived_adopt()
        return {"file": options["path"].name, "done": done}
