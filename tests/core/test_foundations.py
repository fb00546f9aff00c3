"""Errors, clock, identifiers, secrets, steps: small things that everything leans on."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.core import clock, steps
from dataprotect.core.errors import Cancelled, EmergencyStop, ForeseenError, InvalidInput, LeaseLost
from dataprotect.core.identifiers import BACKUP_ID, new_backup_id
from dataprotect.core.progress import Silent
from dataprotect.core.secrets import Secret

instants = st.datetimes(
    min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)
).map(lambda instant: instant.replace(microsecond=instant.microsecond // 1000 * 1000))


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_an_instant_survives_being_written_whatever_its_zone(instant, minutes):
    elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes)))
    assert clock.iso(elsewhere) == clock.iso(instant)
    assert clock.parse_iso(clock.iso(elsewhere)) == instant
    assert clock.iso(instant).endswith("Z")


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="aware"):
        clock.iso(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="zone"):
        clock.parse_iso("2026-01-01T00:00:00")


def test_now_is_aware():
    assert clock.now().tzinfo is UTC


@given(st.text(max_size=200), st.sampled_from(["full", "incremental"]), instants)
def test_a_backup_id_is_lawful_whatever_the_instance_is_called(name, kind, started):
    assert BACKUP_ID.fullmatch(new_backup_id(name, kind, started))


def test_two_backups_of_one_second_have_two_ids():
    started = clock.now()
    assert len({new_backup_id("orders", "full", started) for _ in range(20)}) > 1
    identifier = new_backup_id("orders", "full", datetime(2026, 11, 22, 15, 7, 58, tzinfo=UTC))
    assert identifier.startswith("orders-20261122T150758Z-full-")


def test_a_secret_is_never_shown():
    secret = Secret("planted-password")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        str([secret]),
        repr([secret]),
        ascii(secret),
    ]
    assert "planted" not in "".join(shown)
    for leak in (pickle.dumps, json.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)
    with pytest.raises(AttributeError):
        secret.__dict__  # noqa: B018
    assert secret.reveal() == "planted-password"
    assert secret == Secret("planted-password") != Secret("other")


def test_a_foreseen_failure_tells_what_and_what_to_do():
    error = ForeseenError("a.code", "It failed.", "Do this.", retry=True)
    assert error.as_json() == {"code": "a.code", "message": "It failed.", "action": "Do this."}
    assert (str(error), error.retry) == ("It failed.", True)


@pytest.mark.parametrize(
    ("error", "code"),
    [(Cancelled(), "job.cancelled"), (EmergencyStop("Stop."), "stop.active"), (LeaseLost(), "job.lease_lost"),
     (InvalidInput("port", "Expected 1 to 65535."), "input.port")],
)  # fmt: skip
def test_codes_are_stable(error, code):
    assert error.code == code
    assert error.message
    assert error.action


def test_nobody_has_to_listen_to_steps_or_progress(monkeypatch):
    steps.reached("backup.before_seal")
    heard: list[str] = []
    monkeypatch.setattr(steps, "hook", heard.append)
    steps.reached("backup.before_seal")
    assert heard == ["backup.before_seal"]
    silent = Silent()
    silent.phase("x", 1)
    silent.advance(1)
    silent.note("x")
    silent.checkpoint()
