"""Where a restore stands: a pure decision over what lies in the folders, and a thin reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.full_system import journal as journals
from dataprotect.engine.databases.postgresql.full_system import names, place, running
from dataprotect.engine.databases.postgresql.full_system.journal import Journal
from dataprotect.engine.databases.postgresql.full_system.moves import State, inode
from dataprotect.engine.full_system_model import FullSystemRequest, Origin, Place, Standing


@dataclass(frozen=True, slots=True)
class Seen:
    """Inodes by place, the journal, and how far each of its renames is."""

    in_place: int | None
    restored: int | None
    kept: int | None
    journal: Journal | None
    moves: tuple[State, ...] = ()
    back: tuple[State, ...] = ()


def origin(request: FullSystemRequest) -> Origin:
    """Raises `full_system.no_directory`."""
    found = place.read(request.target.data_directory)
    names.of(found.path, request.restore_id)
    return Origin(
        request.restore_id, found.path, found.inode, found.owner, found.major, found.system_identifier
    )


def look(request: FullSystemRequest, origin: Origin) -> Standing:
    called = names.of(origin.data_directory, request.restore_id)
    live = running.server_in(origin.data_directory) is not None if origin.data_directory.exists() else False
    try:
        journal = journals.read(called.journal)
    except ForeseenError as error:
        return Standing("unclear", error.message, live)
    found, because, back = decide(origin, see(origin, journal))
    return Standing(found, because, live, back)


def see(origin: Origin, journal: Journal | None) -> Seen:
    called = names.of(origin.data_directory, origin.restore_id)
    return Seen(
        in_place=inode(origin.data_directory),
        restored=inode(called.restored),
        kept=inode(called.kept),
        journal=journal,
        moves=tuple(each.state for each in journal.moves) if journal else (),
        back=tuple(each.state for each in journal.back) if journal else (),
    )


def decide(origin: Origin, seen: Seen) -> tuple[Place, str, bool]:
    """Pure: the place, why, and whether the old directory can come back."""
    journal, old = seen.journal, origin.inode
    if journal is None:
        return _without_journal(origin, seen)
    if journal.restore_id != origin.restore_id:
        return "unclear", f"The journal is that of the restore {journal.restore_id}.", False
    if journal.phase in ("restoring", "restored"):
        return _before(journal, seen, old)
    if journal.phase == "back":
        return _backward(journal, seen, old)
    return _forward(journal, seen, old)


def _without_journal(origin: Origin, seen: Seen) -> tuple[Place, str, bool]:
    if seen.restored is not None or seen.kept is not None:
        return "unclear", "Folders of this restore are there, and its journal is not.", False
    if seen.in_place == origin.inode:
        return "untouched", "The old data directory is in place, and nothing is beside it.", False
    if seen.in_place is not None and seen.in_place == origin.restored_inode:
        return "exchanged", "The restored data directory is in place; the old one was discarded.", False
    return "unclear", "The data directory is neither the old one nor a restored one.", False


def _before(journal: Journal, seen: Seen, old: int) -> tuple[Place, str, bool]:
    if seen.in_place != old or seen.kept is not None:
        return "unclear", "Nothing was exchanged, and the old data directory is not in place.", False
    if journal.phase == "restored" and seen.restored == journal.inode:
        return "restored", "A complete data directory is beside the old one, which is in place.", False
    if journal.phase == "restored":
        return "unclear", "The restored data directory is not where it was.", False
    return "restoring", "An incomplete data directory is beside the old one, which is in place.", False


def _forward(journal: Journal, seen: Seen, old: int) -> tuple[Place, str, bool]:
    if seen.in_place == old and seen.restored == journal.inode and seen.kept is None:
        return "restored", "The old data directory is in place, and the exchange has not begun.", False
    if seen.in_place is not None and seen.in_place == journal.inode:
        kept = seen.kept == old and not journal.gone
        where = "the old one is kept" if kept else "the old one is not kept any more"
        return "exchanged", f"The restored data directory is in place; {where}.", kept
    if seen.in_place is None and seen.kept == old and "lost" not in seen.moves:
        done = seen.moves.count("done")
        return "exchanging", f"{done} of {len(seen.moves)} renames are done; nothing can start.", True
    return "unclear", "The folders fit no step of the exchange.", False


def _backward(journal: Journal, seen: Seen, old: int) -> tuple[Place, str, bool]:
    if seen.in_place == old and seen.kept is None:
        return "taken back", "The old data directory is in place again; the restored one is kept.", False
    if seen.kept == old and "lost" not in seen.back:
        done = seen.back.count("done")
        if seen.in_place is not None and seen.in_place == journal.inode:
            return "exchanged", "The restored data directory is in place; the old one is kept.", True
        return "taking back", f"{done} of {len(seen.back)} renames are done; nothing can start.", True
    return "unclear", "The folders fit no step of taking the exchange back.", False


def require(request: FullSystemRequest, origin: Origin, *wanted: Place, code: str) -> Journal:
    """The journal, when it stands at one of `wanted`. Raises ForeseenError `code`."""
    found = look(request, origin)
    if found.place not in wanted:
        raise ForeseenError(
            code, f"The restore {origin.restore_id} stands at {found.place!r}: {found.because}",
            f"This is only done when it is {' or '.join(wanted)}.",
        )  # fmt: skip
    journal = journals.read(path_of(origin))
    return journal or Journal(origin.restore_id, "restoring")


def path_of(origin: Origin) -> Path:
    """Of the journal."""
    return names.of(origin.data_directory, origin.restore_id).journal
