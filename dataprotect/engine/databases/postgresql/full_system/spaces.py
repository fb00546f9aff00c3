"""Tablespaces on disk. In each one's folder a cluster has one folder of its own, `PG_15_202209061`.

That one is exchanged, not the tablespace's folder: it may be a mount point, and others may own what is above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql.full_system import names
from dataprotect.engine.databases.postgresql.full_system.moves import Move, inode, move
from dataprotect.engine.databases.postgresql.layout import TABLESPACE_LINKS
from dataprotect.engine.databases.postgresql.restored_layout import Tablespace


def on_disk(data: Path) -> dict[int, Path]:
    """Location by oid, by the links of a data directory; ones inside it have no location."""
    links = data / TABLESPACE_LINKS
    if not links.is_dir():
        return {}
    found = (each for each in links.iterdir() if each.is_symlink() and each.name.isdigit())
    return {int(each.name): each.readlink() for each in found}


def locations(
    wanted: Iterable[Tablespace], live: Mapping[int, Path], given: Mapping[str, Path]
) -> dict[Tablespace, Path]:
    """Where each tablespace of the backup shall be: where it was told to, else where the server has it now,
    else where it was on the source.
    """
    return {
        each: given.get(each.name) or given.get(str(each.oid)) or live.get(each.oid) or Path(each.location)
        for each in wanted
    }


def problem(location: Path, data: Path) -> str:
    """Why a tablespace cannot lie there; "" when it can."""
    if not location.is_absolute() or not location.is_dir():
        return f"there is no folder {location}"
    if location.resolve().is_relative_to(data.resolve()):
        return f"{location} lies inside the data directory, which is renamed"
    return ""


def require(places: Mapping[Tablespace, Path], data: Path) -> None:
    """Raises `full_system.tablespace`."""
    if len({place.resolve() for place in places.values()}) < len(places):
        raise _refused("two tablespaces would share a folder")
    for space, place in places.items():
        if why := problem(place, data):
            raise _refused(f"{space.name}: {why}")


def clusters(location: Path, major: int) -> list[Path]:
    """The folders of clusters of this major version in a tablespace's or one of our own."""
    if not location.is_dir():
        return []
    wanted = re.compile(rf"PG_{major}_\d+")
    return sorted(each for each in location.iterdir() if wanted.fullmatch(each.name) and inode(each))


def outward(live: Iterable[Path], major: int, restore_id: str) -> Iterator[Move]:
    """The old cluster's folders, aside."""
    for location in sorted(set(live)):
        for folder in clusters(location, major):
            yield move(folder, names.space_kept(location, restore_id) / folder.name)


def inward(wanted: Iterable[Path], major: int, restore_id: str) -> Iterator[Move]:
    """The restored cluster's folders, in place."""
    for location in sorted(set(wanted)):
        for folder in clusters(names.space_restored(location, restore_id), major):
            yield move(folder, location / folder.name)


def _refused(why: str) -> ForeseenError:
    return ForeseenError(
        "full_system.tablespace",
        f"A tablespace of the backup has no place on this machine: {why}.",
        "Make the folder, owned by the server's user, or name another one for this tablespace.",
    )
