"""The table of a job's states."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.ops import states
from dataprotect.ops.models import Job
from tests.ops.conftest import Enqueue

some_state = st.sampled_from(states.STATES)


@given(old=some_state, new=some_state)
def test_a_step_is_taken_exactly_when_the_table_has_it(old: str, new: str) -> None:
    if new in states.TRANSITIONS[old]:
        states.require(old, new)
    else:
        with pytest.raises(states.IllegalTransition):
            states.require(old, new)


@given(new=some_state)
def test_the_terminal_states_refuse_everything(new: str) -> None:
    assert {"succeeded", "failed", "errored", "cancelled"} == states.TERMINAL
    for old in states.TERMINAL:
        with pytest.raises(states.IllegalTransition):
            states.require(old, new)


def test_every_state_can_be_reached_and_every_job_can_end() -> None:
    reached, ends = {states.QUEUED}, set(states.TERMINAL)
    for _ in states.STATES:
        reached |= {new for old in reached for new in states.TRANSITIONS[old]}
        ends |= {old for old in states.STATES if states.TRANSITIONS[old] & ends}
    assert reached == ends == set(states.STATES)


@pytest.mark.django_db(transaction=True)
def test_the_database_knows_the_states_too(enqueue: Enqueue) -> None:
    job = enqueue("count")
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(state="perhaps")
