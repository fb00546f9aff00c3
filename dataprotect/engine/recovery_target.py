"""What a person types as a target, and from which backup it is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from dataprotect.core import validation
from dataprotect.core.errors import InvalidInput
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_model import LATEST, Target

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_LONGEST_NAME = 63


def parse_target(
    *, time: str | None = None, lsn_text: str | None = None, name: str | None = None, latest: bool = False,
    now: datetime,
) -> Target | None:  # fmt: skip
    """The target that was named; None when none was. Raises InvalidInput, also for two at once."""
    given = [word for word in (time, lsn_text, name, latest or None) if word is not None]
    if len(given) > 1:
        raise InvalidInput("target", "Expected one of: an instant, an LSN, a restore point, the latest.")
    if time is not None:
        return Target("time", at=validation.timestamp(time, now=now))
    if lsn_text is not None:
        return Target("lsn", position=parse_position(lsn_text))
    if name is not None:
        return Target("name", name=_restore_point(name))
    return LATEST if latest else None


def as_plain(target: Target) -> dict[str, str]:
    """For a job's arguments; `of_plain` reads it back."""
    if target.at is not None:
        return {"time": target.at.isoformat()}
    if target.position is not None:
        return {"lsn": lsn.text(target.position)}
    return {"name": target.name} if target.name else {"latest": "yes"}


def of_plain(plain: Mapping[str, str]) -> Target:
    ((kind, value),) = plain.items()
    if kind == "time":
        return Target("time", at=datetime.fromisoformat(value))
    if kind == "lsn":
        return Target("lsn", position=parse_position(value))
    return Target("name", name=value) if kind == "name" else LATEST


def parse_position(text: str) -> int:
    """An LSN as the server writes it. Raises InvalidInput."""
    if not isinstance(text, str) or not _LSN.fullmatch(text):
        raise InvalidInput("target_lsn", f"Expected an LSN such as 0/5F3A2C8, got {validation.shown(text)}.")
    return lsn.parse(text)


def _restore_point(name: str) -> str:
    if not 1 <= len(name.encode()) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(
            "target_name", f"Expected the name of a restore point, 1 to {_LONGEST_NAME} bytes of text."
        )
    return name
