"""Tasks are named by strings; every such string in the code base must lead to a function."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

import pytest
from django.conf import settings

from dataprotect.ops import queue, runner
from dataprotect.ops.services import schedules
from dataprotect.ops.services.alert_message import DELIVER
from tests.ops.conftest import ROOT

DOTTED = re.compile(r"(dataprotect\.ops|catalog|restores|compliance)\.tasks\.[a-z_.]+")


def task_strings() -> Iterator[tuple[str, str]]:
    """(file, string) of every string that reads like a task, wherever in the product it stands."""
    for package in ("dataprotect", "catalog", "restores", "compliance"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and DOTTED.fullmatch(node.value)
                ):
                    yield str(file.relative_to(ROOT)), node.value


def test_every_task_string_leads_to_a_function() -> None:
    found = {name for _, name in task_strings()} - set(settings.JOB_TASK_MODULES)
    assert {queue.ENTRY, schedules.SWEEP} <= found, "the search finds what is known to be there"
    for name in found:
        assert callable(runner.resolve(name)), name


@pytest.mark.django_db
def test_every_job_task_takes_a_context_first() -> None:
    """What the clock starts, and the two messages that are no jobs, take none."""
    from django_q.models import Schedule

    by_the_clock = set(Schedule.objects.values_list("func", flat=True))
    assert {schedules.SWEEP, "restores.tasks.sweep_clones", "catalog.tasks.expire_all"} <= by_the_clock
    entries = {queue.ENTRY, DELIVER, *by_the_clock}
    for name in {name for _, name in task_strings()} - entries - set(settings.JOB_TASK_MODULES):
        first = next(iter(inspect.signature(runner.resolve(name)).parameters))
        assert first == "context", name


@pytest.mark.django_db
def test_the_sweeper_is_scheduled_once() -> None:
    from django_q.models import Schedule

    schedules.ensure_schedules()
    schedules.ensure_schedules()
    sweep = Schedule.objects.get(func=schedules.SWEEP)
    assert (sweep.schedule_type, sweep.minutes, sweep.repeats) == (Schedule.MINUTES, 1, -1)
