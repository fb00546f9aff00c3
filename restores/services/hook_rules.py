"""Which programs stop and start a server: the operator says, who may change an instance chooses among them.

They run as the worker's user. Whoever could name any would have a shell there; so the setting RESTORE_HOOKS
holds argument lists, and a hook begins with one of them. It is asked when one is entered and before each use.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from dataprotect.core.errors import ForeseenError, InvalidInput

HOOKS = ("stop_command", "start_command")


def hooks_check(**commands: Sequence[str]) -> None:
    """Raises InvalidInput for one that the operator does not allow; an empty one is none."""
    for name, words in commands.items():
        if not _allowed(words):
            raise InvalidInput(
                name, f"Expected a command that begins with one of RESTORE_HOOKS: {hooks_in_words()}."
            )


def hooks_require(*commands: Sequence[str]) -> None:
    """Raises `restore.hook_not_allowed`: one was entered before the operator's list became another one."""
    for words in commands:
        if not _allowed(words):
            raise ForeseenError(
                "restore.hook_not_allowed",
                f"{' '.join(words)} is not run here: RESTORE_HOOKS allows {hooks_in_words()}.",
                "Enter another command with the instance, or have the operator allow this one.",
            )


def hooks_in_words() -> str:
    """How a hook may begin, for whoever enters one."""
    return ", ".join(" ".join(beginning) for beginning in settings.RESTORE_HOOKS) or "none"


def _allowed(words: Sequence[str]) -> bool:
    return not words or any(
        beginning and list(words[: len(beginning)]) == beginning for beginning in settings.RESTORE_HOOKS
    )
