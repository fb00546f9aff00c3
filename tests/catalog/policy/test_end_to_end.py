"""From a policy to a checked backup of a real server: due, noticed, started, taken, read back."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer

RATE = 1 << 20
"""Bytes per second that one job gets."""

_TICK = """
import json
from datetime import datetime, timedelta
from catalog.services.schedule_run import schedule_run
from dataprotect.core import clock
print(json.dumps(schedule_run(clock.now() + timedelta(minutes={minutes}))))
"""


def tick(installation: Installation, minutes: int = 0) -> dict[str, Any]:
    ran = installation.run("shell", "-v", "0", "-c", _TICK.format(minutes=minutes))
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out.splitlines()[-1])
    return found


def finished(installation: Installation, seconds: float = 120) -> list[str]:
    """States of all jobs, once none is queued or running."""
    until = time.monotonic() + seconds
    while True:
        states: list[str] = installation.rows("list(Job.objects.values_list('state', flat=True))")
        if not {"queued", "running"} & set(states) or time.monotonic() > until:
            return states
        time.sleep(1)


@pytest.mark.slow
def test_an_instance_with_a_policy_protects_itself(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    assert installation.answer("policy_apply", "orders", "critical")["policy"] == "critical"
    coming = installation.answer("next_runs", "orders")
    assert coming["policy"] == "critical" and len(coming["runs"]) == 5
    listed = {one["name"]: one["instances"] for one in installation.answer("policy_list")["policies"]}
    assert listed == {"archival": 0, "critical": 1, "standard": 0}

    installation.rows(f"Repository.objects.update(bandwidth_limit={5 * RATE}, max_concurrent=4)")
    assert tick(installation)["started"] == 1
    with installation.workers():
        assert set(finished(installation)) == {"succeeded"}
        assert installation.rows("[[b.type, b.state] for b in Backup.objects.all()]") == [["full", "checked"]]

        stored, seconds = installation.rows("Backup.objects.values_list('bytes_stored', 'seconds')[0]")
        assert stored > 2 * RATE, "enough for the limit to matter"
        assert seconds >= (stored - RATE / 4) / RATE, "slower than its share of the repository's limit"
        read = installation.rows("Verification.objects.values_list('bytes_read', 'seconds')[0]")
        assert read[1] >= (read[0] - RATE / 4) / RATE, "and read back no faster"
        installation.rows("Repository.objects.update(bandwidth_limit=None)")

        # An hour later: the full one's run has ended well, and an incremental one is due.
        done = tick(installation, minutes=60)
        assert done["ended"] == 1 and done["started"] >= 1, done
        assert set(finished(installation)) == {"succeeded"}
    tick(installation, minutes=61)
    runs = installation.rows(
        "[[r.kind, r.state, r.note, bool(r.job)] for r in ScheduledRun.objects.order_by('pk')]"
    )
    assert runs[0][:2] == ["full", "succeeded"] and runs[0][3]
    smaller = [run for run in runs[1:] if run[0] in ("incremental", "differential", "full")]
    assert "succeeded" in {state for _, state, _, _ in smaller}, runs
    backups = installation.rows("[[b.type, b.state] for b in Backup.objects.order_by('stopped_at')]")
    assert len(backups) == 2 and {state for _, state in backups} <= {"checked", "restore_tested"}
    assert installation.rows("AuditEvent.objects.filter(verb='schedule.started').count()") >= 2
    told = installation.answer("advise", "orders")
    assert told["figures"]["backup_rate"]["guess"] is False and told["reasons"]
