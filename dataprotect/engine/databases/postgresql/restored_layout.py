"""Where each file of a PostgreSQL backup goes when it is restored, and what is checked before a byte is
written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql.stored_log import created_meanwhile
from dataprotect.storage.model import FileEntry

DATA = "pgdata"
CONTROL_FILE = "global/pg_control"
CONFIG_FOLDER = "dataprotect-config"
OWN_FILES = frozenset(
    {"tablespace_map", "recovery.signal", "standby.signal", "postmaster.pid", "postmaster.opts"}
)
"""Never taken from the backup: written here, or of no use to a copy."""


@dataclass(frozen=True, slots=True)
class Tablespace:
    oid: int
    name: str
    location: str


@dataclass(slots=True)
class Survey:
    """What the manifest promises. `bytes` by root: 0 is the data directory, others are tablespace oids."""

    bytes: dict[int, int] = field(default_factory=dict)
    files: int = 0
    names: set[str] = field(default_factory=set)
    """The plain files right inside the data directory."""
    links: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.bytes.values())


def survey(entries: Iterable[FileEntry]) -> Survey:
    """One pass over the manifest. Raises ForeseenError for a path that could leave the target."""
    found = Survey(bytes={0: 0})
    for entry in entries:
        parts = PurePosixPath(entry.path).parts
        if entry.path.startswith("/") or ".." in parts or "\0" in entry.path or not parts:
            raise ForeseenError(
                "restore.unsafe_path",
                f"The backup names the path {entry.path!r}, which leads out of the target.",
                "Do not use this backup; report it.",
            )
        root = int(parts[1]) if parts[0] == "tablespaces" and len(parts) > 1 and parts[1].isdigit() else 0
        found.bytes[root] = found.bytes.get(root, 0) + entry.size
        if entry.kind == "file":
            found.files += 1
            if parts[0] == DATA and len(parts) == 2:
                found.names.add(parts[1])
        elif entry.kind == "symlink":
            found.links.append(entry.path)
    return found


def tablespaces(server: Mapping[str, Any], found: Survey) -> tuple[Tablespace, ...]:
    """The tablespaces whose files are in the backup, named by the server's record. In-place ones need no
    place.
    """
    known = {int(each["oid"]): each for each in server.get("tablespaces", ())}
    result = []
    for oid in sorted(set(found.bytes) - {0}):
        each = known.get(oid, {})
        result.append(Tablespace(oid, str(each.get("name", oid)), str(each.get("location", "unknown"))))
    return tuple(result)


def refuse_unknown_tablespaces(server: Mapping[str, Any], found: Survey) -> None:
    """Raise for a tablespace that the server had at the end and the backup has no files of: it was created in
    between, and the log would create it again, where it is on the source.
    """
    for each in server.get("tablespaces", ()):
        location = str(each.get("location", ""))
        if int(each["oid"]) not in found.bytes and location.startswith("/"):
            raise created_meanwhile(location)


def map_tablespaces(spaces: Iterable[Tablespace], given: Mapping[str, Path]) -> dict[int, Path]:
    """Place by oid; `given` names them by name or oid. Raises when one is missing or one is unknown."""
    left = dict(given)
    places: dict[int, Path] = {}
    missing = []
    for space in spaces:
        place = left.pop(space.name, None) or left.pop(str(space.oid), None)
        if place is None:
            missing.append(space)
        else:
            places[space.oid] = place
    if missing:
        listed = ", ".join(
            f"{each.name} (oid {each.oid}, on the source in {each.location})" for each in missing
        )
        first = missing[0]
        typed = first.name if first.name.isascii() and first.name.isidentifier() else str(first.oid)
        raise ForeseenError(
            "restore.tablespace_unmapped",
            f"The backup has tablespaces that were given no folder: {listed}.",
            f"Name a folder for each, for example --map-tablespace {typed}=/path/to/an/empty/folder.",
        )
    if left:
        raise InvalidInput(
            "tablespace_map",
            f"The backup has no tablespace called {', '.join(sorted(left))}; nothing was written.",
        )
    return places


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things go. `left_out` are paths below the data directory that we write ourselves or not at
    all.
    """

    data: Path
    tablespaces: Mapping[int, Path]
    left_out: Collection[str] = OWN_FILES
    with_configuration: bool = True

    def place(self, path: str) -> Path | None:
        """The destination of the backup's `path`; None leaves it out."""
        root, _, rest = path.partition("/")
        if root == DATA:
            return self._in_data(rest)
        if root == "tablespaces":
            oid, _, inner = rest.partition("/")
            return self.tablespaces[int(oid)] / inner if oid else None
        if root == "config" and self.with_configuration:
            return self.data / CONFIG_FOLDER / rest
        return None

    def _in_data(self, rest: str) -> Path | None:
        if rest in self.left_out:
            return None
        head, _, oid = rest.partition("/")
        if head == "pg_tblspc" and oid.isdigit() and int(oid) in self.tablespaces:
            return None
        return self.data / rest

    @property
    def control_file(self) -> Path:
        return self.data / CONTROL_FILE
