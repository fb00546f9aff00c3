"""Somebody runs DELETE without WHERE, and a clone at the instant before it holds every row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from catalog.models import LogCollector
from catalog.services.recovery_choose import recovery_check
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.wording import counted
from dataprotect.engine.recovery_target import parse_target
from dataprotect.engine.timeline_model import Target
from restores.demo.jobs import follow
from restores.demo.registration import registrar
from restores.demo.scene import Scene
from restores.demo.story import took
from restores.demo.waiting import wait_until
from restores.models import Clone
from restores.services import clone_drop_start, clone_start

TITLE = "Somebody runs DELETE without WHERE"
TABLE = "shop.payment"
STATEMENT = "DELETE FROM shop.payment"
SHOWN_ROWS = 3
WITNESS = """
SELECT count(*), coalesce(md5(string_agg(id || ' ' || order_id || ' ' || amount, ',' ORDER BY id)), '')
FROM shop.payment
"""
NEXT_SECOND = "SELECT date_trunc('second', clock_timestamp()) + interval '1 second'"
NEWEST = "SELECT id, order_id, amount, paid_at FROM shop.payment ORDER BY paid_at DESC LIMIT %s"
# What an earlier demo's accident took is written again, so that there is something to lose.
WRITE_AGAIN = """
INSERT INTO shop.payment (order_id, paid_at, amount)
SELECT id, ordered_at + interval '1 day', total FROM shop.customer_order wanted
WHERE state = 'paid' AND NOT EXISTS (SELECT FROM shop.payment WHERE order_id = wanted.id)
"""
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Contents:
    """How many rows, and the MD5 of all of them in order."""

    rows: int
    digest: str


def run(scene: Scene) -> dict[str, Any]:
    story = scene.story
    with scene.server.connect("shop") as connection:
        connection.execute(WRITE_AGAIN)
        before, instant = _witness(connection)
        story.say(
            f"At {_seconds(instant)} {TABLE} has {counted(before.rows, 'row')}; customers go on paying."
        )
        deleted = connection.execute(STATEMENT).rowcount
    story.say(f"Then: {STATEMENT};  -- {counted(deleted, 'row')} gone, and committed")
    target = parse_target(time=_seconds(instant), now=clock.now())
    assert target is not None  # noqa: S101
    seconds = wait_until(scene, "The log beyond that instant", lambda: _is_within_reach(scene, target))
    story.proof(f"{took(seconds)} later the instant before it lies in a recovery window")
    story.say(
        f"  by hand: manage.py clone --instance {scene.instance.name} --target-time {_seconds(instant)}"
    )
    found = _bring_back(scene, target, before)
    scene.load.stop()
    story.say("The load ends here. The policy, the stream and its heartbeats go on.")
    return {
        "accident": {
            "statement": STATEMENT, "instant": _seconds(instant), "rows_before": before.rows,
            "rows_deleted": deleted, "within_reach_seconds": round(seconds, 2), **found,
        }
    }  # fmt: skip


def _witness(connection: Connection) -> tuple[Contents, datetime]:
    """What the table holds at a whole second, the way people name instants: nobody writes between the count
    and that second, so the two belong together exactly.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE shop.payment IN SHARE MODE")
        contents = _contents(connection)
        row = connection.execute(NEXT_SECOND).fetchone()
        assert row is not None and isinstance(row[0], datetime)  # noqa: S101
        connection.execute("SELECT pg_sleep(extract(epoch FROM %s - clock_timestamp()) + 0.01)", [row[0]])
    return contents, row[0].astimezone(UTC)


def _contents(connection: Connection) -> Contents:
    row = connection.execute(WITNESS).fetchone()
    assert row is not None  # noqa: S101
    return Contents(int(str(row[0])), str(row[1]))


def _is_within_reach(scene: Scene, target: Target) -> bool:
    try:
        recovery_check(instance=scene.instance, target=target)
    except ForeseenError as error:
        if error.code != "target.outside":
            raise
        return False
    return True


def _bring_back(scene: Scene, target: Target, before: Contents) -> dict[str, Any]:
    """Raises `demo.not_proved` unless the clone has the very rows that were counted."""
    story, actor = scene.story, registrar()
    made = follow(clone_start(actor=actor, instance=scene.instance, target=target), story, scene.check)
    clone = Clone.objects.get(clone_id=made["clone_id"])
    held, newest = _look_into(clone)
    if held != before:
        raise ForeseenError(
            "demo.not_proved",
            f"The clone at {target} has {held.rows} rows in {TABLE}, and {before.rows} were counted.",
            "Read the clone's log, and do not rely on this installation.",
        )
    _tell(scene, made, held, newest)
    follow(clone_drop_start(actor=actor, clone=clone), story, scene.check)
    return {
        "rows_in_clone": held.rows, "digests_equal": held.digest == before.digest,
        "rows_live": live_contents(scene).rows, "backup_id": made["backup_id"],
        "reached_at": made["reached_at"], "reached_position": made["reached_position"],
        "clone_seconds": round(sum(made["timings"].values()), 2),
        "exposure_seconds": LogCollector.objects.get(instance=scene.instance).lag_seconds,
    }  # fmt: skip


def _look_into(clone: Clone) -> tuple[Contents, list[tuple[object, ...]]]:
    with psycopg.connect(clone.dsn, dbname="shop", autocommit=True) as connection:
        return _contents(connection), connection.execute(NEWEST, [SHOWN_ROWS]).fetchall()


def live_contents(scene: Scene) -> Contents:
    """What the live table holds now."""
    with scene.server.connect("shop") as connection:
        return _contents(connection)


def _tell(scene: Scene, made: dict[str, Any], held: Contents, newest: list[tuple[object, ...]]) -> None:
    story = scene.story
    story.proof(
        f"an isolated clone at that instant has all {counted(held.rows, 'row')}, the same by digest; "
        f"the live table has {live_contents(scene).rows:,}"
    )
    story.say(f"  from {made['backup_id']} and the log behind it, in {took(sum(made['timings'].values()))}")
    story.say(
        f"  last transaction {made['reached_at']}, LSN {made['reached_position']}; its newest payments:"
    )
    rows = [(*map(str, row[:3]), f"{row[3]:%H:%M:%S.%f %Z}") for row in newest]
    story.table(("  id", "order", "amount", "paid at"), [(f"  {row[0]}", *row[1:]) for row in rows])


def _seconds(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
