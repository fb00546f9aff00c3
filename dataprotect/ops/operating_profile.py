"""What each safeguard is under each operating profile. The profile is asked once, at set-up.

| safeguard | production | homelab | sandbox |
|---|---|---|---|
| change ticket | required | if available | if available |
| integrity verified | required | required | required |
| target confirmed by typing its name | required | required | required |
| downtime window | required | if available | if available |
| fresh backup taken | required | required | if available |
| rollback path present, estimated under ten minutes | required | required | if available |
| approval of the blast radius | required | if available | if available |
| emergency stop clear | required | required | required |

"If available" means: taken where it can be had, else skipped, and the record of the restore says so, and why.
An approval is available as soon as another active person could give it: a homelab of one person is not
blocked, one of two signs like everybody else. No profile takes away a check that costs only an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class OperatingProfile(StrEnum):
    """Strictest first."""

    PRODUCTION = "production"
    HOMELAB = "homelab"
    SANDBOX = "sandbox"


class Safeguard(StrEnum):
    CHANGE_TICKET = "change_ticket"
    INTEGRITY_VERIFIED = "integrity_verified"
    TARGET_CONFIRMED = "target_confirmed"
    DOWNTIME_WINDOW = "downtime_window"
    FRESH_BACKUP = "fresh_backup"
    ROLLBACK_PATH = "rollback_path"
    APPROVAL = "approval"
    STOP_CLEAR = "stop_clear"


class Demand(StrEnum):
    REQUIRED = "required"
    IF_AVAILABLE = "if_available"


_ALONE = frozenset({Safeguard.CHANGE_TICKET, Safeguard.DOWNTIME_WINDOW, Safeguard.APPROVAL})
_IF_AVAILABLE: Mapping[OperatingProfile, frozenset[Safeguard]] = {
    OperatingProfile.PRODUCTION: frozenset(),
    OperatingProfile.HOMELAB: _ALONE,
    OperatingProfile.SANDBOX: _ALONE | {Safeguard.FRESH_BACKUP, Safeguard.ROLLBACK_PATH},
}

WORDS: Mapping[Safeguard, str] = {
    Safeguard.CHANGE_TICKET: "Change ticket",
    Safeguard.INTEGRITY_VERIFIED: "Integrity of the backup verified",
    Safeguard.TARGET_CONFIRMED: "Target confirmed by typing its name",
    Safeguard.DOWNTIME_WINDOW: "Downtime window",
    Safeguard.FRESH_BACKUP: "Fresh backup taken",
    Safeguard.ROLLBACK_PATH: "Rollback path present, estimated under ten minutes",
    Safeguard.APPROVAL: "Approval by blast radius",
    Safeguard.STOP_CLEAR: "Emergency stop clear",
}


def safeguards_of(profile: OperatingProfile) -> Mapping[Safeguard, Demand]:
    """Every safeguard, in the order of the checklist, and whether this profile requires it."""
    optional = _IF_AVAILABLE[profile]
    return MappingProxyType(
        {item: Demand.IF_AVAILABLE if item in optional else Demand.REQUIRED for item in Safeguard}
    )


def strictest(profiles: Iterable[OperatingProfile]) -> OperatingProfile:
    """Production when there is none to choose from."""
    order = list(OperatingProfile)
    return min(profiles, key=order.index, default=OperatingProfile.PRODUCTION)
