"""Where a restore stands: every combination of what may lie in the folders has one answer, or is unclear."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from dataprotect.engine.databases.postgresql.full_system import journal as journals
from dataprotect.engine.databases.postgresql.full_system.journal import Backup, Journal
from dataprotect.engine.databases.postgresql.full_system.moves import Move
from dataprotect.engine.databases.postgresql.full_system.standing import Seen, decide
from dataprotect.engine.full_system_model import Origin

OLD, NEW, OTHER = 1, 2, 3
ORIGIN = Origin("r1", Path("/srv/data"), OLD, "postgres", 17, "7")
JOURNAL = Journal("r1", "restored", inode=NEW)
EXCHANGE, BACK = replace(JOURNAL, phase="exchange"), replace(JOURNAL, phase="back")


@pytest.mark.parametrize(
    ("seen", "place", "can_swap_back"),
    [
        (Seen(OLD, None, None, None), "untouched", False),
        (Seen(OLD, NEW, None, None), "unclear", False),
        (Seen(OTHER, None, None, None), "unclear", False),
        (Seen(None, None, None, None), "unclear", False),
        (Seen(OLD, None, None, replace(JOURNAL, phase="restoring", inode=None)), "restoring", False),
        (Seen(OLD, NEW, None, replace(JOURNAL, phase="restoring", inode=None)), "restoring", False),
        (Seen(OLD, NEW, None, JOURNAL), "restored", False),
        (Seen(OLD, OTHER, None, JOURNAL), "unclear", False),
        (Seen(OTHER, NEW, None, JOURNAL), "unclear", False),
        (Seen(OLD, NEW, OTHER, JOURNAL), "unclear", False),
        (Seen(OLD, NEW, None, replace(JOURNAL, restore_id="r2")), "unclear", False),
        (Seen(OLD, NEW, None, EXCHANGE, ("waiting",) * 2), "restored", False),
        (Seen(None, NEW, OLD, EXCHANGE, ("done", "waiting")), "exchanging", True),
        (Seen(None, NEW, OLD, EXCHANGE, ("done", "lost")), "unclear", False),
        (Seen(None, NEW, OTHER, EXCHANGE, ("done", "waiting")), "unclear", False),
        (Seen(NEW, None, OLD, EXCHANGE, ("done", "done")), "exchanged", True),
        (Seen(NEW, None, None, EXCHANGE, ("lost", "done")), "exchanged", False),
        (Seen(NEW, None, OLD, replace(EXCHANGE, gone=True), ("done", "done")), "exchanged", False),
        (Seen(NEW, None, OLD, BACK, (), ("waiting",) * 2), "exchanged", True),
        (Seen(None, NEW, OLD, BACK, (), ("done", "waiting")), "taking back", True),
        (Seen(None, NEW, OLD, BACK, (), ("done", "lost")), "unclear", False),
        (Seen(OLD, NEW, None, BACK, (), ("done", "done")), "taken back", False),
        (Seen(OTHER, NEW, None, BACK, (), ("done", "done")), "unclear", False),
    ],
)
def test_one_answer_for_what_is_seen(seen: Seen, place: str, can_swap_back: bool) -> None:
    found, because, back = decide(ORIGIN, seen)
    assert (found, back) == (place, can_swap_back), because
    assert because.endswith(".")


def test_after_everything_was_discarded_the_restored_one_is_known() -> None:
    known = replace(ORIGIN, restored_inode=NEW)
    assert decide(known, Seen(NEW, None, None, None))[0] == "exchanged"
    assert decide(ORIGIN, Seen(NEW, None, None, None))[0] == "unclear"


def test_a_strange_directory_is_never_called_ours() -> None:
    """Whatever else lies around: in place there is something that is neither the old nor the restored one."""
    ids = (None, OLD, NEW, OTHER)
    for restored, kept, journal in itertools.product(ids, ids, (None, JOURNAL, EXCHANGE, BACK)):
        assert decide(ORIGIN, Seen(OTHER, restored, kept, journal, ("done",), ("done",)))[0] in (
            "unclear", "taking back",
        ), (restored, kept, journal)  # fmt: skip


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    moves = (Move(Path("/a"), Path("/b"), 5), Move(Path("/ö 'x"), Path("/d"), 6))
    written = Journal(
        "r1", "back", {"fast": "/mnt/fast"}, 7, Backup("7", 3, "0/3000028", ("postgres", "Ödd")), 1, 2, 3.5,
        ("note",), moves, moves[::-1], True,
    )  # fmt: skip
    path = tmp_path / "journal"
    journals.write(path, written)
    assert journals.read(path) == written
    assert path.stat().st_mode & 0o777 == 0o600
    assert journals.read(tmp_path / "none") is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 2}'])
def test_a_journal_that_is_none_is_never_guessed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "journal"
    path.write_text(content)
    with pytest.raises(Exception, match="could not be read"):
        journals.read(path)
