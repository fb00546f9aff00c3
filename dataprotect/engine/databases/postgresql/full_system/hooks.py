"""Running the hooks that stop and start a server. What they say is a note; what happened is looked at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command
from dataprotect.engine.command import Account
from dataprotect.engine.full_system_model import Hooks


def run(hooks: Hooks, argv: Sequence[str], seconds: float) -> str:
    """ "" when it claims success, else its failure in a sentence."""
    try:
        command.run(argv, account=account(hooks), timeout=seconds)
    except ForeseenError as error:
        return error.message
    return ""


def account(hooks: Hooks) -> Account | None:
    return command.unprivileged_account(hooks.user) if hooks.user else None


def problem(argv: Sequence[str]) -> str:
    """Why it cannot be run; "" when it can."""
    if not argv or not all(isinstance(word, str) and "\0" not in word for word in argv):
        return "it is empty, or not a list of words"
    program = argv[0]
    found = program if "/" in program else shutil.which(program, path=command.BASE_ENVIRONMENT["PATH"])
    if found is None:
        return f"there is no program {program} on PATH"
    if not Path(found).is_absolute():
        return f"{program} is neither a name nor an absolute path"
    if not Path(found).is_file():
        return f"there is no program {found}"
    return "" if os.access(found, os.X_OK) else f"{found} is not executable"
