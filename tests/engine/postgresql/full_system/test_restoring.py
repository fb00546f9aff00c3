"""A whole server is restored in place, and taken back."""

from __future__ import annotations

from dataclasses import replace

from dataprotect.engine import full_system
from dataprotect.engine.model import Check
from tests.engine.postgresql.full_system.stage import BACKED_UP, DAMAGED, LATER, Stage
from tests.engine.postgresql.protected import own


def failed(checks: tuple[Check, ...]) -> list[Check]:
    return [check for check in checks if check.passed is False]


def test_an_instant_is_restored_in_place_and_taken_back(whole: Stage) -> None:
    request, origin = whole.begin(choice=whole.choice)
    before = whole.timeline()
    assert not failed(full_system.preflight(whole.bench.repository, request, origin))
    assert full_system.standing(request, origin).place == "untouched"

    restored = full_system.restore(whole.bench.repository, request, origin)
    origin = replace(origin, restored_inode=restored.inode)
    assert restored.tablespaces == {"fast": str(whole.space)}
    assert full_system.standing(request, origin).place == "restored"
    assert whole.rows() == (DAMAGED, 0), "nothing has happened to the server in use"

    stopped = full_system.stop(request, origin)
    assert (stopped.by_hook, stopped.clean) == (True, True)
    assert full_system.exchange(request, origin).moves == 4
    found = full_system.standing(request, origin)
    assert (found.place, found.running, found.can_swap_back) == ("exchanged", False, True)
    full_system.start(request, origin)
    checks = full_system.check(request, origin)
    assert not failed(checks), checks
    assert {"system identifier", "timeline", "recovery ended at the target"} <= {each.name for each in checks}
    assert whole.rows() == (LATER, 100)
    assert whole.timeline() > before, "the number of a timeline is never used twice"
    assert whole.setting("work_mem") == "5MB", "the machine's own settings are kept"
    assert (whole.setting("archive_mode"), whole.setting("hot_standby")) == ("off", "off")
    auto = (whole.server.data / "postgresql.auto.conf").read_text()
    assert "recovery_target" not in auto and "hot_standby" not in auto and "work_mem" in auto

    with whole.server.connect() as connection:
        connection.execute("INSERT INTO item VALUES (9999, 'since')")
    began = f"pg_wal/{whole.timeline():08X}.history"
    back = full_system.swap_back(request, origin)
    assert not failed(back.checks), back.checks
    assert whole.rows() == (DAMAGED, 0)
    assert (whole.server.data / began).exists(), "the next restore begins another timeline than this one did"
    assert full_system.standing(request, origin).place == "taken back"
    assert full_system.discard(request, origin, "restored") > 1_000_000
    assert full_system.standing(request, origin).place == "untouched"
    assert not whole.beside()


def test_a_backup_is_restored_and_the_old_directory_discarded(whole: Stage) -> None:
    request, origin = whole.begin()
    repository = whole.bench.repository
    inode = full_system.restore(repository, request, origin).inode
    again = full_system.restore(repository, request, origin)
    assert again.inode == inode, "a complete one is not made twice"
    origin = replace(origin, restored_inode=inode)
    for step in (full_system.stop, full_system.exchange, full_system.start):
        step(request, origin)
    assert full_system.exchange(request, origin).moves == 0, "doing it again does nothing"
    assert not full_system.start(request, origin).by_hook
    assert not failed(full_system.check(request, origin))
    assert whole.rows() == (BACKED_UP, 100)
    assert full_system.discard(request, origin, "kept") > 1_000_000
    found = full_system.standing(request, origin)
    assert (found.place, found.can_swap_back) == ("exchanged", False)
    assert not whole.beside()
    assert full_system.discard(request, origin, "kept") == 0


def test_a_crashed_and_damaged_server_is_restored_too(whole: Stage) -> None:
    """What full restores are for: nothing answers, and the control file is gone."""
    whole.damage()
    whole.server.kill()
    (whole.server.data / "global/pg_control").unlink()
    request = whole.request()
    origin = full_system.origin(request)
    assert origin.system_identifier == ""
    assert not failed(full_system.preflight(whole.bench.repository, request, origin))
    full_system.restore(whole.bench.repository, request, origin)
    assert not full_system.stop(request, origin).by_hook
    full_system.exchange(request, origin)
    full_system.start(request, origin)
    assert not failed(full_system.check(request, origin))
    assert whole.rows() == (BACKED_UP, 100)
    whole.tidy(request, origin)


def test_a_tablespace_made_since_is_kept_and_comes_back(whole: Stage) -> None:
    """Even when the restored server has made another one in the same folder."""
    extra = own(whole.server.folder / "extra")
    request, origin = whole.begin()
    with whole.server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE extra LOCATION '{extra}'")
        connection.execute("CREATE TABLE elsewhere TABLESPACE extra AS SELECT 1 AS one")
    full_system.restore(whole.bench.repository, request, origin)
    full_system.stop(request, origin)
    full_system.exchange(request, origin)
    full_system.start(request, origin)
    with whole.server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE other LOCATION '{extra}'")
        connection.execute("CREATE TABLE elsewhere TABLESPACE other AS SELECT 2 AS one")
    full_system.swap_back(request, origin)
    with whole.server.connect() as connection:
        row = connection.execute("SELECT one FROM elsewhere").fetchone()
        connection.execute("DROP TABLE elsewhere")
        connection.execute("DROP TABLESPACE extra")
    assert row == (1,)
    whole.tidy(request, origin)
    assert not list(extra.iterdir())
