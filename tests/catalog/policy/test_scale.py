"""Ten thousand instances with policies: a minute's look must stay far below a minute."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from catalog.models import Instance, Policy, Repository, ScheduledRun
from catalog.services.schedule_run import schedule_run
from tests.catalog.policy.conftest import SUNDAY, YESTERDAY
from tests.catalog.test_query_counts import fill


@pytest.mark.slow
def test_ten_thousand_instances_are_looked_at_within_seconds(repository: Repository) -> None:
    """Bounds that a query per instance would break by far; most minutes nothing is due."""
    fill(repository, 0, 10_000, 1)
    Policy.objects.update(created_at=YESTERDAY)
    policy = Policy.objects.get(name="standard")
    Instance.objects.update(policy=policy, policy_since=YESTERDAY, last_good_at=YESTERDAY)
    noon = SUNDAY + timedelta(hours=7)  # 08:00: an incremental one is due for each
    began = time.monotonic()
    schedule_run(noon)
    busy = time.monotonic() - began
    began = time.monotonic()
    schedule_run(noon + timedelta(minutes=1))
    quiet = time.monotonic() - began
    assert ScheduledRun.objects.filter(state="started").count() == repository.max_concurrent
    assert busy < 60
    assert quiet < 20
