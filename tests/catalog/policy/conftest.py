"""Instances that a policy protects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from catalog.models import Backup, Instance, Policy

SUNDAY = datetime(2026, 6, 7, 1, 0, tzinfo=UTC)
"""01:00, when the critical policy's full, differential and incremental meet."""
YESTERDAY = SUNDAY - timedelta(days=1)


@pytest.fixture
def protected(make_instance: Callable[..., Instance]) -> Callable[..., Instance]:
    """An instance with a policy since the day before, and a good backup from then."""

    def make(name: str = "orders", policy: str = "critical", **more: object) -> Instance:
        values: dict[str, object] = {"policy_since": YESTERDAY, "last_good_at": YESTERDAY, **more}
        return make_instance(name, policy=Policy.objects.get(name=policy), **values)

    return make


@pytest.fixture
def make_backup() -> Callable[..., Backup]:
    """A row of a checked backup; nothing lies behind it."""

    def make(instance: Instance, at: datetime, **more: object) -> Backup:
        values: dict[str, object] = {
            "state": "checked", "state_changed_at": at, "started_at": at - timedelta(minutes=5),
            "stopped_at": at, "seconds": 300, "start_position": "0/1000000", "stop_position": "0/2000000",
            **more,
        }  # fmt: skip
        backup_id = f"{instance.name}_full_{at:%Y%m%dT%H%M%SZ}_{Backup.objects.count():08x}"
        return Backup.objects.create(
            backup_id=backup_id, instance=instance, repository=instance.repository, **values
        )

    return make
