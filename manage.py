#!/usr/bin/env python3
"""Commands of DataProtect. Exit codes: 0 done, 1 a foreseen failure, 2 wrong usage."""

from __future__ import annotations

import json
import os
import sys

from dataprotect.core.errors import ForeseenError


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprotect.settings")
    try:
        _execute()
    except ForeseenError as error:
        sys.stderr.write(f"{error.message}\n{error.action}\n")
        if "--json" in sys.argv:
            sys.stdout.write(json.dumps({"error": error.as_json()}) + "\n")
        return 1
    return 0


def _execute() -> None:
    from django.core.management import execute_from_command_line
    from django.db.utils import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        from dataprotect.ops.database_errors import explained

        foreseen = explained(error)
        if foreseen is None:
            raise
        raise foreseen from None


if __name__ == "__main__":
    raise SystemExit(main())
