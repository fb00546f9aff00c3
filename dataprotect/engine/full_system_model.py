"""The frozen shapes of restoring a whole server in place. Sizes are bytes, durations seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from dataprotect.engine.model import Address, Check
from dataprotect.engine.timeline_model import Choice

Place = Literal[
    "untouched", "restoring", "restored", "exchanging", "exchanged", "taking back", "taken back", "unclear"
]
Leftover = Literal["restored", "kept"]

MACHINE_FILES = (
    "postgresql.conf", "postgresql.auto.conf", "postgresql.base.conf", "conf.d", "pg_hba.conf",
    "pg_ident.conf", "server.crt", "server.key", "root.crt", "root.crl", "patroni.dynamic.json",
)  # fmt: skip
"""What belongs to the machine and not to the data: the restored directory gets the old one's."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """How the server is stopped and started: argument lists, no shell.

    user           whom they run as when we are root; "": ourselves
    stop_seconds   for the hook, and again for the server to be gone
    start_seconds  for the hook, and again for the server's process to appear
    """

    stop: tuple[str, ...]
    start: tuple[str, ...]
    user: str = ""
    stop_seconds: float = 300.0
    start_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class FullSystemTarget:
    """The server that is replaced. `address`: an account that may read, of the backup's time as well.

    data_directory: as this worker sees it; the worker is root or the directory's owner, on the same machine.
    """

    address: Address
    data_directory: Path
    hooks: Hooks


@dataclass(frozen=True, slots=True)
class FullSystemRequest:
    """One restore; every function takes the same.

    restore_id       letters, digits and -, at most 32; part of the folders' names
    choice           a target reached with the stored log; None is the backup as it is
    tablespace_map   folders by name, for tablespaces that shall not lie where they are now
    machine_files    names in the data directory that are kept from the old one
    recovery_seconds how long recovery may take until the server answers
    """

    target: FullSystemTarget
    restore_id: str
    instance_id: str
    backup_id: str
    choice: Choice | None = None
    tablespace_map: Mapping[str, Path] = field(default_factory=dict)
    machine_files: tuple[str, ...] = MACHINE_FILES
    binaries: Mapping[int, Path] = field(default_factory=dict)
    threads: int = 2
    recovery_seconds: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Names:
    """All three lie beside the data directory. restored: what is restored and not in use, before the exchange
    and after it was taken back. kept: what was in use before. journal: a file that says how far it is.
    """

    restored: Path
    kept: Path
    journal: Path


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is who, noted by `origin` before anything is done, and stored by whoever runs the restore.

    A folder keeps its inode when it is renamed: `inode` is the old data directory wherever it lies.
    system_identifier is "" when the directory is too damaged to say it. When `restore` is done, put
    `Restored.inode` into restored_inode and store it again: then it is also told after everything else is
    discarded.
    """

    restore_id: str
    data_directory: Path
    inode: int
    owner: str
    major: int
    system_identifier: str
    restored_inode: int | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A complete data directory beside the one in use. `tablespaces`: where each will be, by name."""

    directory: Path
    inode: int
    bytes: int
    files: int
    seconds: float
    tablespaces: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """No process works in the data directory. `by_hook` False: it was not running. `clean` is the
    server's own record of a regular shutdown; None when it cannot be read.
    """

    seconds: float
    by_hook: bool
    clean: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """`moves`: renames that were done by this call; those before a death were done by another one."""

    at: datetime
    seconds: float
    moves: int


@dataclass(frozen=True, slots=True)
class Started:
    """The server of the data directory answers and is no longer recovering. `note`: what the hook said
    when it claimed a failure that was none.
    """

    at: datetime
    seconds: float
    by_hook: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The old directory is in place and its server answers. What was written meanwhile is in
    `names(…).restored`.
    """

    at: datetime
    seconds: float
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the restore stands, told by the folders alone. `because` is a sentence for people.

    untouched: the old directory is in place and nothing is beside it. restoring: an incomplete one is beside
    it. restored: a complete one. exchanging, taking back: some renames are done, and nothing is where the
    server looks for its data; doing the same again finishes it. exchanged: the restored one is in place.
    taken back: the old one is in place again. unclear: none of these; a person looks, and nothing is changed.
    """

    place: Place
    because: str
    running: bool
    can_swap_back: bool = False
