"""A chosen way to a target as plain data, so that whoever goes on with a restore later goes the same way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dataprotect.engine.timeline_model import (
    BackupPoint,
    Beat,
    Bracket,
    Choice,
    Leg,
    Line,
    RecoveryWindow,
    Target,
)


def of_plain(plain: Mapping[str, Any]) -> Choice:
    """What `model.as_plain` made of it. Raises KeyError, TypeError, ValueError for anything else."""
    return Choice(
        **{
            **plain,
            "target": Target(**_timed(plain["target"], "at")),
            "base": BackupPoint(**_timed(plain["base"], "stopped_at")),
            "line": _line(plain["line"]),
            "window": _window(plain["window"]),
            "bracket": Bracket(_beat(plain["bracket"]["low"]), _beat(plain["bracket"]["high"])),
        }
    )


def _line(plain: Mapping[str, Any]) -> Line:
    return Line(**{**plain, "legs": tuple(Leg(*leg) for leg in plain["legs"])})


def _window(plain: Mapping[str, Any]) -> RecoveryWindow:
    timed = _timed(plain, "start_at", "end_at")
    return RecoveryWindow(**{**timed, "backup_ids": tuple(plain["backup_ids"]), "line": _line(plain["line"])})


def _beat(plain: list[Any] | None) -> Beat | None:
    return None if plain is None else Beat(datetime.fromisoformat(plain[0]), *plain[1:])


def _timed(plain: Mapping[str, Any], *names: str) -> dict[str, Any]:
    instants = {name: datetime.fromisoformat(plain[name]) for name in names if plain[name] is not None}
    return {**plain, **instants}
