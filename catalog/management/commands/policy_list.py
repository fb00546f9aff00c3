"""`manage.py policy_list`: every policy with its times."""

from __future__ import annotations

from typing import Any

from catalog.management.foreground import CatalogCommand
from catalog.selectors.plans import CRON_FIELDS
from catalog.selectors.policies import policy_list

_FIELDS = (
    "name", "description", "timezone", *CRON_FIELDS.values(), "stream_logs", "backup_window_start",
    "backup_window_end", "late_after_minutes", "max_concurrent", "bandwidth_limit", "keep_daily_days",
    "keep_weekly_days", "keep_monthly_days", "keep_yearly_days", "minimum_restore_tested", "log_window_days",
)  # fmt: skip


class Command(CatalogCommand):
    help = "List the policies: when they back up and test, and how long they keep."

    def answer(self, **options: Any) -> dict[str, Any]:
        rows = policy_list(user=self.actor)
        return {
            "policies": [
                {name: getattr(row, name) for name in _FIELDS}
                | {"tier": row.tier.name if row.tier is not None else None, "instances": row.protects}
                for row in rows
            ]
        }

    def told(self, answer: dict[str, Any]) -> list[str]:
        return [line for policy in answer["policies"] for line in _told(policy)]


def _told(policy: dict[str, Any]) -> list[str]:
    times = [
        f"{kind.replace('_', ' ')} {policy[field]}" for kind, field in CRON_FIELDS.items() if policy[field]
    ]
    logs = "log streamed" if policy["stream_logs"] else "log not streamed"
    return [
        f"{policy['name']} ({policy['timezone']}): protects {policy['instances']}, {logs}",
        *(f"  {words}" for words in times),
    ]
