"""`manage.py demo`: see restores.demo. `make demo` installs what is missing and starts this."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dataprotect.core.errors import ForeseenError
from dataprotect.ops import serving
from restores.demo.run import Demo
from restores.demo.story import Story


class Command(BaseCommand):
    help = "Protect a throwaway PostgreSQL, prove it, and serve the pages until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--headless", action="store_true", help="exit when all is proved; a JSON summary comes last"
        )
        parser.add_argument(
            "--new-passwords", action="store_true", help="new passwords for the demo's people"
        )

    def handle(self, *args: Any, headless: bool, new_passwords: bool, **options: Any) -> None:
        serving.stop_on_signals()
        story = Story(sys.stdout)
        demo = Demo(story, new_passwords=new_passwords)
        code, last = self._run(demo, story, headless)
        if headless:
            story.json(json.dumps(last))
        if code:
            sys.exit(code)

    def _run(self, demo: Demo, story: Story, headless: bool) -> tuple[int, dict[str, Any]]:
        """The exit code and the summary. Whatever happens, every process is stopped first."""
        try:
            demo.prove()
            if not headless:
                demo.serve()
        except KeyboardInterrupt:
            story.blank()
            story.say("Stopping what was started here.")
            return (130 if headless else 0), {"proved": False, "error": {"code": "demo.interrupted"}}
        except ForeseenError as error:
            story.blank()
            story.say(f"{error.message} {error.action}")
            return 1, {"proved": False, "error": error.as_json()}
        except Exception as error:  # noqa: BLE001  our bug: the last line is JSON all the same
            traceback.print_exc()
            return 1, {"proved": False, "error": {"code": "demo.bug", "message": repr(error)}}
        finally:
            demo.close()
        return 0, demo.summary
