"""What of the old directory belongs to the machine and not to the data, carried into the restored one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql import recovery
from dataprotect.engine.databases.postgresql.recovery import RecoveryTarget
from dataprotect.engine.tree import sync_folder

AUTO = "postgresql.auto.conf"
_OWN_CONF = ("pg_hba.conf", "pg_ident.conf")
_DATA = (
    ".", "..", "base", "global", "PG_VERSION", "backup_label", "tablespace_map", "recovery.signal",
    "standby.signal", "postmaster.pid",
)  # fmt: skip
"""The data itself, and what tells a server how to start on it."""
_HOT_STANDBY = {"hot_standby": "off"}
"""Nobody reads what is half recovered, and settings lower than the source's do not stop the recovery."""


def checked(wanted: Iterable[str]) -> tuple[str, ...]:
    """Raises InvalidInput for anything but plain names: they are copied over what was restored."""
    names = tuple(wanted)
    for name in names:
        if not name or "/" in name or name in _DATA or (name.startswith("pg_") and name not in _OWN_CONF):
            raise InvalidInput(
                "machine_files", f"Expected names of files in the data directory, got {name!r}."
            )
    return names


def adopt(old: Path, new: Path, wanted: Iterable[str], owner: Account) -> None:
    """Copy them over the restored ones, and the directory's mode; what the old one lacks stays as restored.

    Done again it does the same. Raises `full_system.machine_files`.
    """
    try:
        for name in checked(wanted):
            if (old / name).exists() or (old / name).is_symlink():
                _replace(old / name, new / name, owner)
        carry_histories(old, new, owner)
        _mark_archived(new / "pg_wal", owner)
        new.chmod(old.stat().st_mode & 0o7777)
        sync_folder(new)
    except OSError as error:
        raise ForeseenError(
            "full_system.machine_files",
            f"{error.filename or old} could not be carried over: {error.strerror or error}.",
            "Correct the cause and do the exchange again; nothing was renamed.",
        ) from None


def prescribe(old: Path, new: Path, target: RecoveryTarget, restore_id: str, owner: Account) -> None:
    """The machine's own ALTER SYSTEM settings, then how to recover: the last line wins.

    The restored one's fence goes: this directory takes over for good.
    """
    source = old / AUTO
    kept = source.read_text(errors="surrogateescape") if source.exists() else ""
    kept += "" if kept.endswith("\n") or not kept else "\n"
    settings = recovery.lines(target.settings() | _HOT_STANDBY)
    _write(new / AUTO, f"{kept}{_begin(restore_id)}{settings}{_end(restore_id)}", owner)


def forget_recovery(data: Path, restore_id: str, owner: Account) -> bool:
    """Take the lines of `prescribe` out again, so that they never act on a standby made of this one.

    False when the server has written the file anew since, and the lines are no longer told apart.
    """
    text = (data / AUTO).read_text(errors="surrogateescape")
    before, begin, rest = text.partition(_begin(restore_id))
    _, end, after = rest.partition(_end(restore_id))
    if not begin:
        return "recovery_target_action" not in text
    if not end:
        return False
    _write(data / AUTO, before + after, owner)
    return True


def _begin(restore_id: str) -> str:
    return f"# DataProtect, restore {restore_id}: how it recovers. Taken out once it has.\n"


def _end(restore_id: str) -> str:
    return f"# End of restore {restore_id}.\n"


def _replace(source: Path, destination: Path, owner: Account) -> None:
    if destination.is_dir() and not destination.is_symlink():
        shutil.rmtree(destination)
    else:
        destination.unlink(missing_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, destination, symlinks=True)
    else:
        shutil.copy2(source, destination, follow_symlinks=False)
    for path in _all(destination):
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
        if not path.is_symlink():
            _sync(path)


def _all(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        yield from path.rglob("*")


def carry_histories(source: Path, destination: Path, owner: Account) -> None:
    """From one data directory to another, so that no server of both takes the number of a timeline that was
    used before. Raises OSError.
    """
    there = destination / "pg_wal"
    for history in sorted((source / "pg_wal").glob("*.history")):
        if not (there / history.name).exists():
            _replace(history, there / history.name, owner)
    sync_folder(there)


def _mark_archived(log: Path, owner: Account) -> None:
    """The restored log was stored before: archiving it again would meet the files that are there."""
    status = log / "archive_status"
    if not status.is_dir():
        status.mkdir(0o700)
        os.chown(status, owner.uid, owner.gid)
    for each in log.iterdir():
        if each.is_file() and (len(each.name) == 24 or each.suffix == ".history"):
            done = status / f"{each.name}.done"
            (status / f"{each.name}.ready").unlink(missing_ok=True)
            done.touch(0o600)
            os.chown(done, owner.uid, owner.gid)
    sync_folder(status)


def _write(path: Path, text: str, owner: Account) -> None:
    made = path.with_name(path.name + ".dataprotect")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fchown(descriptor, owner.uid, owner.gid)
        os.fsync(descriptor)
    made.rename(path)
    sync_folder(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
