"""Swapping a database that is in use: clients lose their connection, never what was committed."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import psycopg
import pytest
from psycopg import sql

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.engine import replace
from dataprotect.engine.replace_model import Origin, ReplaceRequest, SwapOptions
from tests.engine.postgresql.replacement.stage import Stage, called

AT_ONCE = SwapOptions(grace_seconds=0.0)
SHORT = SwapOptions(grace_seconds=0.0, lock_seconds=0.2, attempts=2)


def staged(stage: Stage) -> tuple[ReplaceRequest, Origin]:
    stage.renew()
    request = stage.request("tiny")
    origin = replace.origin(request)
    replace.load(request)
    return request, origin


class Client(threading.Thread):
    """Connects, writes a row, and comes again as soon as it is thrown out, as a pool does."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.stage, self.stop = stage, threading.Event()
        self.acknowledged: list[str] = []
        self.lost = 0

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            with suppress(psycopg.Error), self.stage.server.connect("tiny") as connection:
                while not self.stop.is_set():
                    number += 1
                    text = f"client {id(self)} {number}"
                    connection.execute("INSERT INTO item (t) VALUES (%s)", (text,))
                    self.acknowledged.append(text)
            self.lost += 1

    def wait_for(self, rows: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < rows:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def texts(stage: Stage, database: str) -> set[str]:
    with stage.server.connect() as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(database))
        )
    with stage.server.connect(database) as connection:
        return {text for (text,) in connection.execute("SELECT t FROM item WHERE t LIKE 'client%'")}


def test_busy_clients_are_moved_over_and_nothing_committed_is_lost(stage: Stage) -> None:
    request, origin = staged(stage)
    clients = [Client(stage) for _ in range(4)]
    for client in clients:
        client.start()
    sleeper = stage.server.connect("tiny")
    sleeper.execute("BEGIN; SELECT count(*) FROM item")
    try:
        for client in clients:
            client.wait_for(20)
        swapped = replace.swap_in(request, origin, AT_ONCE)
        for client in clients:
            client.wait_for(len(client.acknowledged) + 20)
    finally:
        for client in clients:
            client.stop.set()
            client.join(60)
    assert swapped.terminated >= 5
    assert all(check.passed for check in swapped.checks)
    assert all(client.lost >= 1 for client in clients)
    with pytest.raises(psycopg.Error):
        sleeper.execute("SELECT 1")
    old, new = texts(stage, called(origin).kept), texts(stage, "tiny")
    acknowledged = {text for client in clients for text in client.acknowledged}
    assert old and new and not old & new
    assert acknowledged <= old | new, "what was acknowledged is in one of them"


def test_a_transaction_that_ends_within_its_grace_is_not_ended(stage17: Stage) -> None:
    request, origin = staged(stage17)
    client = stage17.server.connect("tiny")
    client.execute("BEGIN")
    client.execute("INSERT INTO item (t) VALUES ('client in time')")

    class CommitsWhenAsked(Silent):
        phases: list[str] = []
        looked = 0

        def phase(self, name: str, total_bytes: int | None = None) -> None:
            self.phases.append(name)

        def checkpoint(self) -> None:
            self.looked += 1
            if self.phases == ["drain"] and self.looked == 3:
                client.execute("COMMIT")

    swapped = replace.swap_in(request, origin, SwapOptions(grace_seconds=600.0), CommitsWhenAsked())
    assert swapped.drain_seconds < 300
    assert texts(stage17, called(origin).kept) == {"client in time"}


def test_a_lock_that_is_held_is_waited_for_briefly_and_changes_nothing(stage: Stage) -> None:
    request, origin = staged(stage)
    before = stage.databases()
    with stage.server.connect() as holder:
        holder.execute("BEGIN; COMMENT ON DATABASE tiny IS 'held'")
        with pytest.raises(ForeseenError) as busy:
            replace.swap_in(request, origin, SHORT)
        assert (busy.value.code, busy.value.retry) == ("replace.busy", True)
        assert stage.databases() == before
        assert stage.count() == 1000
        assert replace.standing(request, origin).place == "staged"
        holder.execute("ROLLBACK")
    replace.swap_in(request, origin, AT_ONCE)
    assert replace.standing(request, origin).place == "swapped"


def test_a_prepared_transaction_is_named_and_nothing_changes(stage17: Stage) -> None:
    request, origin = staged(stage17)
    with stage17.server.connect("tiny") as client:
        client.execute("BEGIN; INSERT INTO item (t) VALUES ('p'); PREPARE TRANSACTION 'half done'")
        try:
            checks = {check.name: check for check in replace.preflight(request)}
            assert checks["prepared transactions"].passed is False
            with pytest.raises(ForeseenError) as refused:
                replace.swap_in(request, origin, SHORT)
            assert refused.value.code == "replace.prepared"
            assert "half done" in refused.value.message
        finally:
            client.execute("ROLLBACK PREPARED 'half done'")
    assert replace.standing(request, origin).place == "staged"


def test_cancelled_before_the_lock_nothing_changes(stage17: Stage) -> None:
    request, origin = staged(stage17)

    class Cancels(Silent):
        def checkpoint(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        replace.swap_in(request, origin, AT_ONCE, Cancels())
    assert replace.standing(request, origin).place == "staged"
    assert stage17.count() == 1000


def test_only_what_stands_right_is_swapped_or_dropped(stage17: Stage) -> None:
    request, origin = staged(stage17)
    with pytest.raises(ForeseenError, match="is staged, not swapped"):
        replace.swap_back(request, origin)
    replace.swap_in(request, origin, AT_ONCE)
    with pytest.raises(ForeseenError, match="is swapped, not staged"):
        replace.swap_in(request, origin)
    with pytest.raises(ForeseenError) as taken:
        replace.load(request)
    assert taken.value.code == "replace.name_taken"
    replace.swap_back(request, origin, AT_ONCE)
    with pytest.raises(ForeseenError, match="is rolled back, not staged"):
        replace.swap_in(request, origin)
    assert replace.discard(request, origin, "kept") == 0
    assert replace.discard(request, origin, "undone") > 0
    assert replace.standing(request, origin).place == "untouched"


def test_what_is_kept_is_dropped_only_while_another_is_in_use(stage17: Stage) -> None:
    request, origin = staged(stage17)
    replace.swap_in(request, origin, AT_ONCE)
    with stage17.server.connect() as connection:
        connection.execute("DROP DATABASE tiny")
    with pytest.raises(ForeseenError) as refused:
        replace.discard(request, origin, "kept")
    assert refused.value.code == "replace.in_use"
    assert replace.standing(request, origin).place == "unclear"
    with stage17.server.connect() as connection:
        connection.execute("CREATE DATABASE tiny")
    assert replace.discard(request, origin, "kept") > 0
    with pytest.raises(ForeseenError, match="is unclear, not swapped"):
        replace.swap_back(request, origin)


def test_health_says_what_is_missing(stage17: Stage) -> None:
    request, origin = staged(stage17)
    expected = {"public.item": 1000, "public.other": 100, "public.gone": 400}
    found = replace.health(request, expected)
    assert found.mismatch_percent == pytest.approx(100 * 400 / 1500)
    assert "public.gone is missing" in found.checks[1].found
    grown = replace.health(request, {"public.item": 900, "public.other": 100})
    assert grown.healthy and grown.missing_percent == 0.0
    assert grown.mismatch_percent == pytest.approx(10.0)
    with stage17.server.connect() as connection:
        connection.execute("ALTER DATABASE tiny ALLOW_CONNECTIONS false")
    closed = replace.health(request, expected)
    assert not closed.healthy and closed.mismatch_percent is None
    assert replace.standing(request, origin).place == "unclear"
