"""The commands of `ops`, as a person runs them: words, one JSON object last, and the exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction

from dataprotect.ops import triggers
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from tests.ops.conftest import Enqueue, worker_environment
from tests.warm import warm_python

pytestmark = pytest.mark.django_db(transaction=True)


def command(*words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON object of the last line, and everything it said."""
    run = warm_python().run(["manage.py", *words, "--json"], env=worker_environment(), stdin="", timeout=180)
    last = run.stdout.strip().splitlines()[-1] if run.stdout.strip() else "{}"
    return run.returncode, json.loads(last), run.stdout + run.stderr


def test_verify_audit_proves_and_names_the_broken_link() -> None:
    for _ in range(3):
        with transaction.atomic():
            audit_record(actor="anna", verb="x")
    code, answer, said = command("verify_audit")
    assert (code, answer["passed"], answer["events"]) == (0, True, 3)
    assert "3 events" in said
    assert command("verify_audit", "--anchor", answer["anchor"])[0] == 0
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ops_auditevent SET actor = 'mallory' WHERE sequence = 2")
    triggers.create(connection)
    code, answer, said = command("verify_audit")
    assert (code, answer["error"]["code"]) == (1, "audit.broken")
    assert "event 2" in answer["error"]["message"] and "Traceback" not in said


def test_emergency_stop_raise_show_lift() -> None:
    assert command("emergency_stop", "raise", "wrong", "target")[1]["active"]
    assert "wrong target" in command("emergency_stop", "show")[1]["reason"]
    code, answer, _ = command("emergency_stop", "lift")
    assert (code, answer["error"]["code"]) == (1, "input.words")
    assert not command("emergency_stop", "lift", "typo")[1]["active"]


def test_jobs_cancel_and_sweep(enqueue: Enqueue) -> None:
    job = enqueue("count", title="Back up orders")
    code, answer, said = command("jobs")
    assert code == 0 and answer["jobs"][0]["title"] == "Back up orders" and "Back up orders" in said
    assert command("cancel_job", str(job.pk))[1]["state"] == "cancelled"
    assert Job.objects.get().state == "cancelled"
    assert command("cancel_job", str(job.pk))[1]["error"]["code"] == "job.finished"
    assert command("cancel_job", "../../etc")[1]["error"]["code"] == "input.job"
    assert command("sweep")[1] == {"ended": 0, "taken_over": 0, "sent_again": 0}


def test_wrong_usage_is_exit_code_two() -> None:
    code, _, said = command("emergency_stop", "explode")
    assert code == 2 and "Traceback" not in said
