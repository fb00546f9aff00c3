"""Claiming: one winner, fenced writes, and telling dead owners from living ones."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from dataprotect.core.errors import LeaseLost
from dataprotect.ops import lease, states
from dataprotect.ops.models import Job
from tests.ops.conftest import ROOT, Enqueue, fresh, worker_environment

pytestmark = pytest.mark.django_db(transaction=True)


def claims_at_once(ids: list[UUID]) -> list[lease.Lease]:
    """One thread for each id, all let go at the same moment."""
    barrier, won, errors = threading.Barrier(len(ids)), [], []

    def claim(job_id: UUID) -> None:
        try:
            barrier.wait()
            won.append(lease.claim(job_id))
        except Exception as error:  # noqa: BLE001  the test looks at it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=[job_id]) for job_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return [one for one in won if one is not None]


def test_of_eight_claimants_one_wins(enqueue: Enqueue) -> None:
    job = enqueue("count")
    assert len(claims_at_once([job.pk] * 8)) == 1
    assert (fresh(job).fencing, fresh(job).attempts) == (1, 1)


def test_of_six_jobs_with_one_key_one_is_claimed(enqueue: Enqueue) -> None:
    jobs = [enqueue("count", exclusive="instance:1") for _ in range(6)]
    assert len(claims_at_once([job.pk for job in jobs])) == 1
    assert Job.objects.filter(state=states.RUNNING).count() == 1


def expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=lease.database_now() - timedelta(seconds=1))


def test_after_a_take_over_the_old_holder_writes_nothing(enqueue: Enqueue) -> None:
    job = enqueue("count")
    old = lease.claim(job.pk)
    expire(job)
    new = lease.claim(job.pk)
    assert old and new and (old.fencing, new.fencing) == (1, 2)
    assert not old.renew(phase="written by a ghost")
    assert old.rows().update(phase="written by a ghost") == 0
    with pytest.raises(LeaseLost), transaction.atomic():
        old.hold()
    with transaction.atomic():
        new.hold()
    assert new.renew(phase="mine") and fresh(job).phase == "mine"


def test_a_lease_that_was_not_renewed_in_time_is_known_to_be_over(
    enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = lease.claim(enqueue("count").pk)
    assert held and not held.run_out()
    later = held.good_until + 0.001
    monkeypatch.setattr(lease.time, "monotonic", lambda: later)
    assert held.run_out()


@pytest.mark.parametrize("state", sorted(states.TERMINAL))
def test_a_finished_job_is_never_claimed(enqueue: Enqueue, state: str) -> None:
    job = enqueue("count")
    Job.objects.filter(pk=job.pk).update(state=state)
    assert lease.claim(job.pk) is None


def test_a_foreground_job_is_not_for_workers(enqueue: Enqueue) -> None:
    job = enqueue("count")
    Job.objects.filter(pk=job.pk).update(foreground=True)
    assert lease.claim(job.pk) is None
    assert lease.claim(job.pk, foreground=True) is not None


def test_an_owner_is_gone_only_when_its_process_is() -> None:
    alive = lease.new_owner()
    assert not lease.owner_is_gone(alive)
    child = subprocess.run(
        [sys.executable, "-c", _NEW_OWNER], capture_output=True, text=True, check=True, cwd=ROOT,
        env=worker_environment(),
    )  # fmt: skip
    assert lease.owner_is_gone(child.stdout.strip())
    place, pid, _, word = alive.split(":")
    assert lease.owner_is_gone(f"{place}:{pid}:1:{word}"), "the pid was used again by a later process"


@pytest.mark.parametrize("owner", ["other-host/abc/1:1:1:x", "", "nonsense", f"{socket.gethostname()}:1"])
def test_an_owner_elsewhere_is_never_called_gone(owner: str) -> None:
    assert not lease.owner_is_gone(owner)


_NEW_OWNER = """
import django
django.setup()
from dataprotect.ops.lease import new_owner
print(new_owner())
"""
