"""What may be typed about a policy: one place, used by adding and by changing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Any

from catalog.models import Tier
from dataprotect.core.errors import InvalidInput
from dataprotect.core.validation import shown
from dataprotect.engine.cron import check_cron, check_zone

NUMBERS = (
    "keep_daily_days", "keep_weekly_days", "keep_monthly_days", "keep_yearly_days", "minimum_restore_tested",
    "log_window_days", "late_after_minutes", "max_concurrent",
)  # fmt: skip
CRONS = (
    "full_cron", "differential_cron", "incremental_cron", "restore_test_cron", "pitr_test_cron", "audit_cron",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,61}[A-Za-z0-9])?")
_LONGEST = 500


def cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields, validated one by one. Raises InvalidInput for the first wrong or unknown one."""
    unknown = set(values) - set(_RULES)
    if unknown:
        raise InvalidInput(min(unknown), f"There is nothing called {shown(min(unknown))} to set.")
    return {name: _RULES[name](name, value) for name, value in values.items()}


def check_whole(values: Mapping[str, Any]) -> None:
    """What only makes sense together. `values` has every field. Raises InvalidInput."""
    if (values["differential_cron"] or values["incremental_cron"]) and not values["full_cron"]:
        raise InvalidInput(
            "full_cron", "Expected times of full backups: differential and incremental ones stand on them."
        )
    start, end = values["backup_window_start"], values["backup_window_end"]
    if (start is None) != (end is None):
        missing = "backup_window_start" if start is None else "backup_window_end"
        raise InvalidInput(missing, "Expected the backup window with its start and its end, or neither.")
    if start is not None and start == end:
        raise InvalidInput("backup_window_end", "Expected a window that ends at another time than it starts.")
    if values["pitr_test_cron"] and not values["stream_logs"]:
        raise InvalidInput(
            "pitr_test_cron", "Expected the log to be streamed: without it no instant can be tested."
        )


def blackout(values: Mapping[str, Any]) -> dict[str, Any]:
    """`reason` with either `start_time` and `end_time` (and `weekdays`), or `starts_at` and `ends_at`."""
    reason = _text("reason", values.get("reason") or "")
    if not reason:
        raise InvalidInput("reason", "Expected why nothing may run then.")
    weekly = {name: _time(name, values.get(name)) for name in ("start_time", "end_time")}
    once = {name: _instant(name, values.get(name)) for name in ("starts_at", "ends_at")}
    (start, end), (begins, ends) = weekly.values(), once.values()
    if start is not None and end is not None and start != end and begins is None and ends is None:
        return {"reason": reason, "weekdays": weekdays(values.get("weekdays") or ""), **weekly}
    if begins is not None and ends is not None and begins < ends and start is None and end is None:
        return {"reason": reason, **once}
    raise InvalidInput(
        "blackout",
        "Expected a start and a later end: times of day for every week, or two instants for once, not both.",
    )


def weekdays(value: str | list[int]) -> str:
    """`1,3,7` in order, Monday is 1; empty for every day."""
    parts = value.split(",") if isinstance(value, str) else [str(day) for day in value]
    days = {part.strip() for part in parts if part.strip()}
    if not days <= set("1234567"):
        raise InvalidInput("weekdays", "Expected days of the week from 1 (Monday) to 7 (Sunday).")
    return ",".join(sorted(days))


def _name(field: str, value: object) -> str:
    text = _text(field, value)
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            field, f"Expected a name of 1 to 63 letters, digits, spaces, '.', '_' and '-'; got {shown(text)}."
        )
    return text


def _text(field: str, value: object) -> str:
    text = " ".join(str(value).split())
    if len(text) > _LONGEST or not text.isprintable():
        raise InvalidInput(field, f"Expected at most {_LONGEST} printable characters.")
    return text


def _number(field: str, value: object) -> int:
    words = field.replace("_", " ")
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return int(str(value))
    except ValueError:
        raise InvalidInput(field, f"Expected a whole number for {words}; got {shown(str(value))}.") from None


def _flag(field: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidInput(field, f"Expected yes or no for {field.replace('_', ' ')}.")


def _time(field: str, value: object) -> time | None:
    if value in (None, ""):
        return None
    try:
        found = value if isinstance(value, time) else time.fromisoformat(str(value))
    except ValueError:
        raise InvalidInput(field, f"Expected a time of day such as 22:30; got {shown(str(value))}.") from None
    if found.tzinfo is not None:
        raise InvalidInput(field, "Expected a time without a zone: it is in the zone of the policy.")
    return found.replace(second=0, microsecond=0)


def _instant(field: str, value: object) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidInput(field, "Expected an instant such as 2026-12-24T18:00Z.") from None
    if found.tzinfo is None:
        raise InvalidInput(field, "Expected an instant with its time zone, such as 2026-12-24T18:00Z.")
    return found


def _tier(field: str, value: object) -> Tier | None:
    if isinstance(value, Tier):
        return value
    if value in (None, ""):
        return None
    found = Tier.objects.filter(name=str(value)).first() if str(value).isprintable() else None
    if found is None:
        raise InvalidInput(field, f"There is no tier {shown(str(value))}.")
    return found


def _limit(field: str, value: object) -> int | None:
    return None if value in (None, "") else _number(field, value)


_RULES: dict[str, Callable[[str, Any], Any]] = {
    "name": _name,
    "description": _text,
    "tier": _tier,
    "timezone": check_zone,
    "stream_logs": _flag,
    "backup_window_start": _time,
    "backup_window_end": _time,
    "bandwidth_limit": _limit,
    **dict.fromkeys(CRONS, check_cron),
    **dict.fromkeys(NUMBERS, _number),
}
FIELDS = tuple(_RULES)
