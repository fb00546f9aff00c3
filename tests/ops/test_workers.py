"""Jobs on real workers: progress, cancel, take-over, duplicates, one writer, lost messages, the stop."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django_q.brokers import get_broker
from django_q.tasks import async_task

from dataprotect.ops import queue, states, sweeper
from dataprotect.ops.models import AuditEvent, Job, StopSwitch, Worker
from dataprotect.ops.services.jobs import job_cancel
from tests.ops.conftest import Cluster, Enqueue, fresh, starts, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
Start = Callable[..., Cluster]


def pid_of(job: Job) -> int:
    """The worker process that holds the job, from its lease."""
    return int(fresh(job).lease_owner.split(":")[1])


def is_running(job: Job) -> bool:
    return fresh(job).state == states.RUNNING


def is_over(job: Job) -> bool:
    return fresh(job).is_terminal


def verbs(job: Job) -> list[str]:
    events = AuditEvent.objects.filter(subject_id=str(job.pk)).order_by("sequence")
    return [event.verb for event in events]


def test_a_job_succeeds_on_a_worker_and_shows_its_progress(start_workers: Start, enqueue: Enqueue) -> None:
    start_workers()
    job = enqueue("count", steps=30, pause=0.15)
    wait_for(lambda: 0 < fresh(job).bytes_done < 3000, "progress in the middle of the work")
    seen = fresh(job)
    assert (seen.phase, seen.bytes_total, seen.percent is not None) == ("counting", 3000, True)
    assert seen.lease_until is not None
    wait_for(lambda: is_over(job), "the end")
    ended = fresh(job)
    assert (ended.state, ended.result) == (states.SUCCEEDED, {"steps": 30, "attempt": 1})
    assert ended.bytes_done == 3000
    assert ended.rate is not None and 300 < ended.rate < 1200
    assert [line.text for line in ended.log_lines.all()] == [f"step {number}" for number in range(30)]
    assert verbs(job) == ["job.queued", "job.started", "job.succeeded"]
    assert Worker.objects.filter(cluster="dataprotect", job=None, seen_at__gte=ended.started_at).exists()


def test_a_running_job_is_cancelled_at_its_next_safe_point(
    start_workers: Start, enqueue: Enqueue, diary: Path
) -> None:
    start_workers()
    job = enqueue("first_attempt_hangs")
    wait_for(lambda: starts(diary), "the start")
    job_cancel(job_id=job.pk, actor="anna")
    wait_for(lambda: is_over(job), "the end", seconds=10)
    ended = fresh(job)
    assert (ended.state, ended.error_code) == (states.CANCELLED, "job.cancelled")
    assert "anna" in ended.error_message
    assert verbs(job) == ["job.queued", "job.started", "job.cancel_requested", "job.cancelled"]


def test_kill_9_of_the_worker_lets_another_take_the_job_over(
    start_workers: Start, enqueue: Enqueue, diary: Path
) -> None:
    start_workers()
    job = enqueue("first_attempt_hangs")
    wait_for(lambda: starts(diary), "the start")
    os.kill(pid_of(job), signal.SIGKILL)
    wait_for(lambda: sweeper.sweep()["taken_over"] or is_over(job), "the sweeper finds it")
    wait_for(lambda: is_over(job), "the end")
    ended = fresh(job)
    assert (ended.state, ended.result, ended.fencing) == (states.SUCCEEDED, {"attempt": 2}, 2)
    assert verbs(job) == ["job.queued", "job.started", "job.taken_over", "job.succeeded"]


def test_kill_9_of_every_process_loses_nothing(start_workers: Start, enqueue: Enqueue, diary: Path) -> None:
    first = start_workers()
    running, waiting = enqueue("first_attempt_hangs"), enqueue("count")
    # The other job's line may come first; one that was never claimed would hang in its first attempt later.
    wait_for(lambda: fresh(running).attempts == 1 and starts(diary), "the start")
    first.kill()
    Job.objects.update(dispatched_at=None)  # as if a minute had gone by
    Job.objects.update(created_at=sweeper.lease.database_now() - 2 * sweeper.LOST_AFTER)
    start_workers()
    wait_for(lambda: sweeper.sweep() and is_over(running) and is_over(waiting), "both ends")
    assert {fresh(running).state, fresh(waiting).state} == {states.SUCCEEDED}


def test_a_worker_that_lost_its_lease_writes_nothing_more(
    start_workers: Start, enqueue: Enqueue, diary: Path, tmp_path: Path
) -> None:
    """SIGSTOP is the long pause (a suspended machine, a dead disk) after which a worker thinks it owns."""
    frozen = start_workers(JOB_LEASE_SECONDS="3")
    until = tmp_path / "go on"
    job = enqueue("deaf", until=str(until))
    wait_for(lambda: starts(diary), "the start")
    frozen.signal(signal.SIGSTOP)
    start_workers(JOB_LEASE_SECONDS="3")
    wait_for(lambda: sweeper.sweep()["taken_over"] or is_over(job), "the lease runs out")
    wait_for(lambda: is_over(job), "the end by the second worker")
    before = Job.objects.filter(pk=job.pk).values().get()
    until.touch()
    frozen.signal(signal.SIGCONT)
    wait_for(
        lambda: "ended" in diary.read_text() and diary.read_text().count("ended") == 2, "the first one ends"
    )
    wait_for(lambda: "nothing more is written" in log_text() or "not ours to write" in log_text(), "its word")
    assert Job.objects.filter(pk=job.pk).values().get() == before
    assert before["result"] == {"attempt": 2}
    assert [line.text for line in job.log_lines.all()] == ["written by attempt 2"]
    assert verbs(job).count("job.succeeded") == 1


def log_text() -> str:
    return (Path(settings.DATAPROTECT_HOME) / "logs" / "dataprotect.log").read_text()


def test_a_message_delivered_three_times_runs_the_job_once(
    start_workers: Start, enqueue: Enqueue, diary: Path
) -> None:
    job = enqueue("count", steps=10)
    for _ in range(2):
        async_task(queue.ENTRY, str(job.pk))
    start_workers()
    wait_for(lambda: is_over(job), "the end")
    wait_for(lambda: get_broker().queue_size() == 0, "every message was taken")
    late = enqueue("count", steps=1)
    wait_for(lambda: is_over(late), "a later job, so the copies were handled before it")
    assert len([line for line in starts(diary) if "attempt 1" in line]) == 2
    assert fresh(job).attempts == 1


def test_one_writer_per_instance_the_second_waits_and_then_runs(
    start_workers: Start, enqueue: Enqueue, diary: Path
) -> None:
    start_workers()
    jobs = [enqueue("count", steps=8, pause=0.1, exclusive="instance:7") for _ in range(3)]
    other = enqueue("count", steps=8, pause=0.1, exclusive="instance:8")
    while not all(is_over(job) for job in jobs):
        running = Job.objects.filter(state=states.RUNNING, exclusive="instance:7").count()
        assert running <= 1
        time.sleep(0.1)
    wait_for(lambda: is_over(other), "the other instance is not held up")
    ended = [fresh(job) for job in jobs]
    assert {job.state for job in ended} == {states.SUCCEEDED}
    spans = sorted((job.started_at, job.finished_at) for job in ended)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_a_lost_message_is_sent_again(start_workers: Start, enqueue: Enqueue) -> None:
    job = enqueue("count")
    get_broker().delete_queue()
    start_workers()
    assert sweeper.sweep()["sent_again"] == 0, "a minute has not gone by"
    past = sweeper.lease.database_now() - 2 * sweeper.LOST_AFTER
    Job.objects.filter(pk=job.pk).update(created_at=past, dispatched_at=past)
    assert sweeper.sweep()["sent_again"] == 1
    assert sweeper.sweep()["sent_again"] == 0, "not again at once"
    wait_for(lambda: is_over(job), "the end")
    assert fresh(job).state == states.SUCCEEDED


def test_the_stop_file_ends_running_work_and_latches(
    start_workers: Start, enqueue: Enqueue, diary: Path
) -> None:
    start_workers()
    job = enqueue("first_attempt_hangs")
    wait_for(lambda: starts(diary), "the start")
    stop_file = Path(settings.EMERGENCY_STOP_FILE)
    stop_file.write_text("wrong target\n")
    wait_for(lambda: is_over(job), "the end", seconds=10)
    ended = fresh(job)
    assert (ended.state, ended.error_code) == (states.FAILED, "stop.active")
    assert "wrong target" in ended.error_message
    wait_for(lambda: StopSwitch.objects.filter(active=True).exists() or sweeper.sweep(), "the switch is up")
    stop_file.unlink()
    after = enqueue("count")
    wait_for(lambda: is_over(after), "the refusal")
    assert fresh(after).error_code == "stop.active"
    assert len(starts(diary)) == 1


def test_the_queue_carries_the_sweeper(start_workers: Start) -> None:
    """django-q's clock is coarse; the scheduled function is sent as the clock would send it."""
    start_workers()
    async_task("dataprotect.ops.tasks.sweep")
    wait_for(lambda: Worker.objects.exclude(swept_at=None).exists(), "a worker swept")
