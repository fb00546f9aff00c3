"""After a failover recovery follows the new timeline, and what the old primary wrote alone is told apart."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import LATEST, Target
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.engine.postgresql.pitr.streamed import streaming
from tests.engine.postgresql.protected import inside
from tests.servers.postgresql import PostgresServer, free_port, unprivileged_user


def promoted(primary: PostgresServer, make_postgres: Callable[..., PostgresServer]) -> PostgresServer:
    """A standby at the very end of the primary's log, promoted."""
    standby = make_postgres(version=primary.major, start=False)
    port = standby.port
    primary.stop("fast")
    shutil.rmtree(standby.data)
    shutil.copytree(primary.data, standby.data, symlinks=True)
    (standby.data / "standby.signal").touch()
    with (standby.data / "postgresql.auto.conf").open("a") as conf:
        conf.write(f"port = {port or free_port()}\nunix_socket_directories = '{standby.folder}'\n")
    if user := unprivileged_user():
        for place in [standby.data, *standby.data.rglob("*")]:
            shutil.chown(place, user, user)
    standby.start()
    with standby.connect() as connection:
        connection.execute("SELECT pg_promote(true)")
    return standby


def write(server: PostgresServer, what: str) -> None:
    with server.connect() as connection:
        connection.execute("INSERT INTO story VALUES (%s)", (what,))


def test_recovery_follows_the_new_timeline_and_names_the_abandoned_branch(
    make_postgres: Callable[..., PostgresServer], bench: Bench
) -> None:
    primary = make_postgres(version=15)
    with primary.connect() as connection:
        connection.execute("CREATE TABLE story (what text)")
    with streaming(primary, bench) as before:
        bench.back_up(primary, backup_id="base")
        write(primary, "before")
        before.settle()
    standby = promoted(primary, make_postgres)
    primary.start()
    with streaming(primary, bench) as old:
        write(primary, "lost")
        old.settle()
    primary.stop()
    time.sleep(1)
    with streaming(standby, bench) as new:
        write(standby, "after")
        new.settle()
        new.settle()
    found = recovery_windows(StoredTimeline(bench.repository, INSTANCE).sample())
    followed = [window for window in found.windows if not window.abandoned]
    (left,) = [window for window in found.windows if window.abandoned]
    assert (followed[-1].timeline, left.timeline) == (2, 1)
    assert left.start_position == followed[-1].line.legs[0].end, "it begins where the standby took over"
    with new.clone(LATEST) as made, inside(made) as connection:
        assert connection.execute("SELECT what FROM story ORDER BY 1").fetchall() == [("after",), ("before",)]
    # Between the failover and the end of the abandoned branch both timelines had commits; what was followed
    # counts. An instant that only the abandoned branch holds is reached along it.
    only_old = found.choose_base(Target("time", at=left.end_at))
    if only_old.line.timeline == 1:
        with new.clone(only_old) as made, inside(made) as connection:
            held = connection.execute("SELECT what FROM story ORDER BY 1").fetchall()
            assert held == [("before",), ("lost",)]
