"""The page of a run, and what polls it: figures that were measured, and none that were not."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from dataprotect.core import clock
from dataprotect.ops.models import Job
from restores.models import RestoreRequest, RestoreRun, RestoreStep
from tests.dashboard.conftest import ClientOf
from tests.dashboard.seed import GIB
from tests.dashboard.seed_restores import DONE, RADIUS, RUNNING, WAITING

pytestmark = pytest.mark.usefixtures("catalogue", "db")


def page_of(client: Client, restore_id: str, part: str = "") -> str:
    return client.get(f"/restores/{restore_id}/{part}").content.decode()


def text_of(client: Client, restore_id: str) -> str:
    """What a person reads, with single blanks between words."""
    return " ".join(re.sub(r"<[^>]*>", " ", page_of(client, restore_id)).split())


def plain(client: Client, restore_id: str = RUNNING) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get(f"/restores/{restore_id}/progress.json").content)
    return found


def step(restore_id: str, kind: str) -> Any:
    return RestoreStep.objects.filter(run__request__restore_id=restore_id, kind=kind)


def test_a_running_step_says_its_bytes_its_rate_and_how_long_it_took_before(client_of: ClientOf):
    lead = client_of("DBA Lead")
    step(RUNNING, "load").update(started_at=clock.now() - timedelta(seconds=20))
    shown = text_of(lead, RUNNING)
    for words in ("21.0 GiB of 48.0 GiB 204 MiB/s", "so far", "measured 1 time", "You can close this page"):
        assert words in shown, words
    assert 'id="restore-cancel"' in page_of(lead, RUNNING) and "backup-worker-2:4711" in shown
    now = plain(lead)["steps"][2]
    assert (now["bytes_done"], now["bytes_total"], now["bytes_per_second"]) == (21 * GIB, 48 * GIB, 214e6)
    assert now["expected_seconds"] == {"low": 40.0, "high": 40.0, "measurements": 1}, (
        "48 GiB took 40 s before"
    )
    assert now["phase"] == "load" and 20 <= now["seconds"] < 80


def test_the_end_is_a_range_from_the_fastest_to_the_slowest(client_of: ClientOf):
    """Swap, watch, deliver and the rest of load and validate; the watch takes what it is set to."""
    lead = client_of("DBA Lead")
    step(RUNNING, "load").update(started_at=clock.now() + timedelta(hours=1))
    earlier = RestoreRun.objects.get(request__restore_id=DONE)
    for kind, seconds, size in (("load", 160, 48 * GIB), ("swap", 4, 0)):
        RestoreStep.objects.create(
            run=earlier, position=20 + size % 2 + seconds, kind=kind, title=kind, state="done",
            started_at=earlier.started_at, ended_at=earlier.started_at + timedelta(seconds=seconds),
            bytes_done=size, attempts=1,
        )  # fmt: skip
    left = plain(lead)["seconds_left"]
    assert left["low"] == 40 + 40 + 4 + 300 + 40 and left["high"] == 160 + 40 + 40 + 300 + 40
    assert left["measurements"] == 1
    assert "7 min to 10 min" in text_of(lead, RUNNING)


def test_without_a_measurement_there_is_no_estimate(client_of: ClientOf):
    lead = client_of("DBA Lead")
    step(DONE, "swap").update(attempts=2)
    assert plain(lead)["seconds_left"] is None
    shown = text_of(lead, RUNNING)
    assert "Ends in no estimate yet" in shown and "1 step was never measured here" in shown
    assert plain(lead)["steps"][4]["expected_seconds"] is None, "two workers shared it"


def test_rows_of_other_tables_tell_nothing_about_these(client_of: ClientOf):
    lead = client_of("DBA Lead")
    step(DONE, "load").update(kind="rescue")
    step(RUNNING, "load").update(kind="rescue", state="pending")
    tables = RestoreRequest.objects.filter(restore_id__in=(DONE, RUNNING))
    tables.update(tables=[["public", "orders"]], table_mode="merge")
    assert plain(lead)["steps"][2]["expected_seconds"]["high"] == 40
    tables.filter(restore_id=DONE).update(tables=[["public", "customers"]])
    assert plain(lead)["steps"][2]["expected_seconds"] is None


def test_a_worker_that_went_silent_is_told(client_of: ClientOf):
    lead, past = client_of("DBA Lead"), clock.now() - timedelta(minutes=3)
    jobs = Job.objects.filter(title=f"Restore {RUNNING}")
    assert "may be gone" not in text_of(lead, RUNNING)
    jobs.update(lease_until=past, heartbeat_at=past)
    assert "3 min ago" in text_of(lead, RUNNING) and "may be gone" in text_of(lead, RUNNING)
    assert 170 < plain(lead)["heartbeat_age_seconds"] < 240
    jobs.update(state="queued", heartbeat_at=None)
    assert "It waits for a worker." in text_of(lead, RUNNING)
    assert plain(lead)["steps"][2]["bytes_done"] is None, "nobody works on it"


def test_a_step_that_takes_longer_than_ever_says_so_and_who_cancelled_is_named(client_of: ClientOf):
    lead = client_of("DBA Lead")
    assert "longer than ever before" in text_of(lead, RUNNING)
    Job.objects.filter(title=f"Restore {RUNNING}").update(
        cancel_requested_at=clock.now(), cancel_requested_by="ben"
    )
    shown = text_of(lead, RUNNING)
    assert "ben asked to cancel" in shown and 'id="restore-cancel"' not in page_of(lead, RUNNING)


def test_the_page_moves_on_with_every_step(client_of: ClientOf):
    """The heading and what is read aloud follow the steps; between them nothing but the figures moves."""
    lead = client_of("DBA Lead")
    assert 'hx-get="/restores/r0000000e/progress/?state=running.3"' in page_of(lead, RUNNING)
    assert "restore-outcome" not in page_of(lead, RUNNING, "progress/?state=running.3")
    moved = page_of(lead, RUNNING, "progress/?state=running.2")
    assert 'id="restore-outcome"' in moved and "Running: Load" in moved


def test_afterwards_it_says_what_was_validated_and_how_to_go_back(client_of: ClientOf):
    lead = client_of("DBA Lead")
    shown = text_of(lead, DONE)
    for words in (
        "What was validated", "1,292,521 rows in 2 tables counted.", "1 check passed, 1 did not apply.",
        "There are none.", "Rolling back takes about 15 s", "Roll it back", "48.0 GiB", "1.20 GiB/s",
        "RPO 3 min and RTO 14 min.",
    ):  # fmt: skip
        assert words in shown, words
    found = plain(lead, DONE)
    assert "RTO 14 min" in found["message"] and found["seconds_left"] is None
    assert (found["status"], found["restore_tested"], found["integrity_check"]) == ("completed", True, "done")
    assert found["steps"][2]["bytes_per_second"] == 48 * GIB / 40


def test_what_was_rolled_back_is_told_with_both_times(client_of: ClientOf):
    run = RestoreRun.objects.get(request__restore_id=DONE)
    run.rollback_points.update(
        state="used", used_at=clock.now(), used_by="ben", measured_seconds=0.4, reason="The wrong day.",
        validation=[{"name": "old database in use", "passed": True, "expected": "", "found": "yes"}],
    )  # fmt: skip
    RestoreRequest.objects.filter(restore_id=DONE).update(state="rolled_back", ended_reason="The wrong day.")
    shown = text_of(client_of("DBA Lead"), DONE)
    for words in ("in 0.4 s; 15 s had been estimated", "After rolling shop back", "What had been delivered"):
        assert words in shown, words
    assert "Rolling back takes" not in shown


def test_whoever_signs_reads_what_changes_how_far_it_reaches_and_every_step(client_of: ClientOf):
    shown = text_of(client_of("DBA Lead"), WAITING)
    for words in (
        "Changes shop on orders: exchanged",
        f"Blast radius {RADIUS}",
        "Steps, in order",
        "Validate 1 min",
    ):
        assert words in shown, words
