"""May this actor do that? Asked by every service that a person starts, whatever door it came through."""

from __future__ import annotations

import getpass

from django.contrib.auth.models import AbstractUser

from catalog.models import Instance
from catalog.selectors.visible import Viewer, may
from dataprotect.core.errors import ForeseenError

Actor = Viewer
"""A user, or `system:<unix user>`: the operator at the machine's own terminal."""

_WORDS = {
    "add": "register",
    "change": "change",
    "backup": "back up",
    "verify": "verify the backups of",
    "restore": "restore from the backups of",
    "grant": "give access to",
    "check": "check",
    "rotate": "rotate",
}


_BY_TOKEN = "_came_by_token"  # noqa: S105  the name of an attribute


def mark_by_token(user: AbstractUser) -> None:
    """Remember, for as long as this object lives, that a token spoke and not the person."""
    setattr(user, _BY_TOKEN, True)


def came_by_token(user: AbstractUser) -> bool:
    """A token may do what its owner may, but it is never the second person."""
    return bool(getattr(user, _BY_TOKEN, False))


def terminal_operator() -> str:
    """The actor of a command: whoever runs it."""
    return f"system:{getpass.getuser()}"


def require(*, actor: Actor, permission: str, instance: Instance | None = None) -> None:
    """Raises ForeseenError `access.denied` unless the actor holds `permission`, here or everywhere."""
    if may(user=actor, permission=permission, instance=instance):
        return
    verb, _, kind = permission.rpartition(".")[2].partition("_")
    what = f"the instance {instance.name}" if instance is not None else f"an {kind}".replace("an r", "a r")
    raise ForeseenError(
        "access.denied",
        f"You may not {_WORDS.get(verb, verb)} {what}.",
        "Ask a DBA Lead for the right to do it.",
    )
