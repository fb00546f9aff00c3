"""Jobs that a command runs itself, through the same runner; and what is left when that command dies."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django_q.brokers import get_broker

from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.ops import queue, states, sweeper
from dataprotect.ops.lease import database_now
from dataprotect.ops.models import AuditEvent, Job
from dataprotect.ops.services.jobs import job_cancel
from dataprotect.ops.services.stop import stop_raise
from tests.ops.conftest import ROOT, Enqueue, fresh, starts, wait_for, worker_environment

pytestmark = pytest.mark.django_db(transaction=True)


def run(enqueue: Enqueue, chore: str, **words: object) -> Job:
    with queue.foreground():
        job = enqueue(chore, **words)
    return queue.run_now(job)


class Listener:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self.heard.append(f"phase {name} {total_bytes}")

    def advance(self, done_bytes: int) -> None:
        self.heard.append(f"advance {done_bytes}")

    def note(self, message: str) -> None:
        self.heard.append(f"note {message}")

    def checkpoint(self) -> None: ...


def test_it_runs_here_and_tells_the_listener(enqueue: Enqueue) -> None:
    listener = Listener()
    with queue.foreground():
        job = enqueue("count", steps=1)
    ended = queue.run_now(job, listener=listener)
    assert queue.result_of(ended) == {"steps": 1, "attempt": 1}
    assert listener.heard == ["phase counting 100", "advance 100", "note step 0"]
    assert get_broker().queue_size() == 0, "no worker was told"
    assert ended.duration is not None and ended.duration > timedelta(0)


def test_a_foreseen_failure_keeps_its_code_sentence_and_action(enqueue: Enqueue) -> None:
    ended = run(enqueue, "refuse")
    assert ended.state == states.FAILED
    with pytest.raises(ForeseenError) as failure:
        queue.result_of(ended)
    assert failure.value.as_json() == {
        "code": "chore.refused", "message": "The repository nas1 is full.", "action": "Free some space.",
    }  # fmt: skip


def test_a_bug_of_ours_leaves_a_reference_in_the_row_and_the_traceback_in_the_log(enqueue: Enqueue) -> None:
    ended = run(enqueue, "stumble", word="swordfish-77")
    assert (ended.state, ended.error_code) == (states.ERRORED, "job.unexpected")
    reference = ended.error_message.rpartition("reference ")[2].rstrip(".")
    logged = (Path(settings.DATAPROTECT_HOME) / "logs" / "errors.log").read_text()
    assert f"reference {reference}" in logged
    assert "RuntimeError: could not connect: password=" in logged


def test_a_secret_reaches_neither_row_nor_log_nor_file(enqueue: Enqueue) -> None:
    from dataprotect.ops import masking

    masking.remember(Secret("swordfish-78").reveal())
    run(enqueue, "stumble", word="swordfish-78x")
    columns = ("error_message", "error_action", "result")
    values = [str(row) for row in Job.objects.values_list(*columns)]
    values += list(AuditEvent.objects.values_list("data_json", flat=True))
    values += [line.text for job in Job.objects.all() for line in job.log_lines.all()]
    values += [file.read_text() for file in (Path(settings.DATAPROTECT_HOME) / "logs").iterdir()]
    assert "password=" in " ".join(values), "the places looked at are the right ones"
    assert "swordfish-78" not in " ".join(values)


def test_an_answer_that_is_not_plain_data_is_our_bug(enqueue: Enqueue) -> None:
    assert run(enqueue, "answer_nonsense").state == states.ERRORED


@pytest.mark.parametrize("task", ["os.system", "tests.ops.chores._write", "tests.ops.chores.nothing", "x.y"])
def test_a_row_cannot_name_any_function(task: str) -> None:
    with queue.foreground():
        job = queue.enqueue(task, arguments={}, actor="mallory")
    ended = queue.run_now(job)
    assert (ended.state, ended.error_code) == (states.FAILED, "job.no_such_task")


def test_ctrl_c_leaves_a_cancelled_job(enqueue: Enqueue) -> None:
    with queue.foreground():
        job = enqueue("interrupt")
    with pytest.raises(KeyboardInterrupt):
        queue.run_now(job)
    assert (fresh(job).state, fresh(job).lease_owner) == (states.CANCELLED, "")


def test_a_queued_job_is_cancelled_at_once_and_never_runs(enqueue: Enqueue, diary: Path) -> None:
    with queue.foreground():
        job = enqueue("count")
    job_cancel(job_id=job.pk, actor="anna")
    assert queue.run_now(job).state == states.CANCELLED
    assert starts(diary) == []
    with pytest.raises(ForeseenError, match="cancelled already"):
        job_cancel(job_id=job.pk, actor="anna")


def test_nothing_starts_while_the_stop_is_active(enqueue: Enqueue, diary: Path) -> None:
    stop_raise(actor="anna", reason="wrong target")
    ended = run(enqueue, "count")
    assert (ended.state, ended.error_code) == (states.FAILED, "stop.active")
    assert starts(diary) == []


def test_the_row_and_its_message_stand_or_fall_with_the_callers_transaction(enqueue: Enqueue) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        enqueue("count")
        raise RuntimeError("the caller changed its mind")
    assert (Job.objects.count(), AuditEvent.objects.count(), get_broker().queue_size()) == (0, 0, 0)


def test_no_message_before_the_commit(enqueue: Enqueue) -> None:
    with transaction.atomic():
        enqueue("count")
        assert get_broker().queue_size() == 0
    wait_for(lambda: get_broker().queue_size() == 1, "the message")


def test_who_does_not_wait_is_refused_while_another_holds_the_key(enqueue: Enqueue) -> None:
    enqueue("count", exclusive="instance:1")
    with pytest.raises(ForeseenError) as refusal:
        enqueue("count", exclusive="instance:1", wait=False)
    assert (refusal.value.code, refusal.value.retry) == ("job.busy", True)
    enqueue("count", exclusive="instance:2", wait=False)
    assert Job.objects.count() == 2


def test_a_broker_that_is_down_delays_but_loses_nothing(
    enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*words: object, **more: object) -> None:
        raise ConnectionError("connection refused by redis://:geheim@127.0.0.1")

    monkeypatch.setattr(queue, "async_task", down)
    with caplog.at_level(logging.WARNING):
        job = enqueue("count")
    assert fresh(job).state == states.QUEUED
    assert "the sweeper will" in caplog.text and "geheim" not in caplog.text
    monkeypatch.undo()
    past = database_now() - timedelta(minutes=10)
    Job.objects.filter(pk=job.pk).update(created_at=past, dispatched_at=past)
    assert sweeper.sweep()["sent_again"] == 1


def test_a_killed_command_ends_failed_and_the_next_one_goes_on_at_once(enqueue: Enqueue, diary: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _RUN_FOREVER, str(diary)],
        cwd=ROOT,
        env=worker_environment(),
        start_new_session=True,
    )
    wait_for(lambda: starts(diary), "the start of the first command")
    child.kill()
    child.wait()
    began = time.monotonic()
    ended = run(enqueue, "count", steps=1, exclusive="instance:1")
    assert ended.state == states.SUCCEEDED
    assert time.monotonic() - began < 10, "the lease of a dead process is not waited for"
    lost = Job.objects.exclude(pk=ended.pk).get()
    assert (lost.state, lost.error_code) == (states.FAILED, "job.worker_lost")


_RUN_FOREVER = """
import sys, django
django.setup()
from dataprotect.ops import queue
with queue.foreground():
    job = queue.enqueue("tests.ops.chores.first_attempt_hangs", arguments={"diary": sys.argv[1]}, actor="a",
                        exclusive="instance:1")
queue.run_now(job)
"""


def test_a_foreground_job_nobody_ran_is_ended(enqueue: Enqueue) -> None:
    with queue.foreground():
        job = enqueue("count")
    assert sweeper.end_abandoned() == 0
    Job.objects.filter(pk=job.pk).update(created_at=database_now() - timedelta(minutes=6))
    assert sweeper.end_abandoned() == 1
    assert fresh(job).error_code == "job.worker_lost"


def test_a_job_is_not_tried_for_ever(enqueue: Enqueue) -> None:
    job = enqueue("count")
    gone = database_now() - timedelta(minutes=5)
    dead = {"state": states.RUNNING, "lease_until": gone, "lease_owner": "elsewhere:1:1:x"}
    Job.objects.filter(pk=job.pk).update(**dead, attempts=settings.JOB_MAX_ATTEMPTS)
    assert sweeper.sweep()["ended"] == 1
    assert (fresh(job).state, fresh(job).error_code) == (states.FAILED, "job.worker_lost")


@pytest.mark.django_db(transaction=False)
def test_inside_a_surrounding_transaction_it_runs_without_a_heart(enqueue: Enqueue) -> None:
    assert run(enqueue, "count", steps=1).state == states.SUCCEEDED


def test_a_hostile_log_line_stays_one_line_and_is_cut(enqueue: Enqueue) -> None:
    from dataprotect.ops.progress import Progress

    progress = Progress()
    progress.note("good\r\n2026 ERROR forged\x1b[31m" + "x" * 5000)
    _, lines = progress.take()
    assert len(lines) == 1 and len(lines[0]) == 2000 and lines[0].isprintable()
