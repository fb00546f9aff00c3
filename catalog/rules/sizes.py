"""Is a new backup of a size one would expect? A dump that stopped half way was often green elsewhere."""

from __future__ import annotations

from statistics import median

from catalog.rules.facts import SizeFacts
from catalog.rules.words import page, size
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import Severity

FEWEST, MOST = 4, 10
"""How many earlier backups are needed, and how many are looked at."""
FULL_FACTOR, CHANGES_FACTOR = 2.0, 10.0
"""What changed between two backups varies far more than what is there."""
SMALLEST_DIFFERENCE = 64 << 20


def size_anomaly(facts: SizeFacts) -> Finding | None:
    """More than `factor` times, or less than one `factor`th of, the median of the same type before it."""
    before = facts.before[:MOST]
    if len(before) < FEWEST:
        return None
    usual = median(before)
    factor = FULL_FACTOR if facts.type == "full" else CHANGES_FACTOR
    in_line = usual / factor <= facts.bytes_read <= usual * factor
    if in_line or abs(facts.bytes_read - usual) < SMALLEST_DIFFERENCE:
        return None
    word = "smaller" if facts.bytes_read < usual else "larger"
    return Finding(
        rule="size_anomaly",
        severity=Severity.WARNING,
        title=f"The newest {facts.type} backup of {facts.instance} is much {word} than usual.",
        detail=f"{facts.backup_id} read {size(facts.bytes_read)}; the median of the {len(before)} before it "
        f"is {size(usual)}. Was a database dropped, or loaded?",
        subject=f"instance:{facts.instance_key}",
        link=page("backups", facts.backup_id),
        dedupe_key=size_key(facts.instance_key, facts.type),
    )


def size_key(instance_key: int, type: str) -> str:
    return f"size_anomaly:instance:{instance_key}:{type}"
