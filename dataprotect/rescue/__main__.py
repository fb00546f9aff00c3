"""`python -m dataprotect.rescue list|windows|verify|restore`: exit 0 done, 1 foreseen failure, 2 usage."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.rescue import actions
from dataprotect.rescue.arguments import Arguments, parse
from dataprotect.rescue.reporting import Terminal, told

ACTIONS = {
    "list": actions.list_backups,
    "windows": actions.list_windows,
    "verify": actions.verify_backup,
    "restore": actions.restore_backup,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one action; what it found goes to stdout, progress and failures to stderr."""
    arguments = parse(argv)
    terminal = Terminal(arguments)
    try:
        answer = ACTIONS[arguments.action](arguments, terminal)
    except ForeseenError as error:
        return _failed(arguments, error, {})
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 1
    if terminal.passed_by is not None:
        answer["despite_emergency_stop"] = {
            "stop": terminal.passed_by, "reason": terminal.despite_emergency_stop,
        }  # fmt: skip
    sys.stdout.write("".join(line + "\n" for line in told(arguments.action, answer)))
    if answer.get("passed") is False:
        return _failed(arguments, actions.did_not_pass(arguments, answer), answer)
    _print_json(arguments, answer)
    return 0


def _failed(arguments: Arguments, error: ForeseenError, answer: dict[str, Any]) -> int:
    sys.stderr.write(f"{error.message}\n{error.action}\n")
    _print_json(arguments, {**answer, "error": error.as_json()})
    return 1


def _print_json(arguments: Arguments, answer: dict[str, Any]) -> None:
    if arguments.json:
        sys.stdout.write(json.dumps(answer, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
