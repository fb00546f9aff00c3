"""What of a data directory belongs into a backup. Pure; the list is that of the server's own `basebackup.c`
(15-17).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EMPTIED_DIRECTORIES = frozenset(
    {"pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans"}
)
"""Kept as empty directories: the server rebuilds or must not inherit what is in them."""

EXCLUDED_FILES = frozenset(
    {
        "postgresql.auto.conf.tmp", "current_logfiles", "current_logfiles.tmp",
        "backup_label", "backup_label.old", "tablespace_map", "tablespace_map.old", "backup_manifest",
        "postmaster.pid", "postmaster.opts",
    }
)  # fmt: skip
EXCLUDED_PREFIXES = ("pgsql_tmp", "pg_internal.init")

CONTROL_FILE = "global/pg_control"
WAL_DIRECTORY = "pg_wal"
TABLESPACE_LINKS = "pg_tblspc"

_DATABASE_DIRECTORY = re.compile(r"(?:base|(?:pg_tblspc/\d+/)?PG_[0-9]+_[0-9]+)/(\d+)")
_RELATION_DIRECTORY = re.compile(r"(?:global|(?:base|(?:pg_tblspc/\d+/)?PG_[0-9]+_[0-9]+)/\d+)")
_RELATION = re.compile(r"(?P<number>[0-9]+)(?:_(?P<fork>fsm|vm|init))?(?:\.(?P<segment>[0-9]+))?")
_TEMPORARY_RELATION = re.compile(r"t[0-9]+_[0-9]+(?:_(?:fsm|vm|init))?(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class RelationFile:
    """One segment of one fork of a relation. `fork` is main, fsm, vm or init; `number` its relfilenode."""

    number: int
    fork: str
    segment: int


def is_database_directory(directory: str) -> bool:
    """Whether `directory` (relative to the data directory or to a tablespace) holds one database's
    relations.
    """
    return _DATABASE_DIRECTORY.fullmatch(directory) is not None


def relation_file(path: str) -> RelationFile | None:
    """What `path` is as a relation, None when it is none. The path is relative to its root."""
    directory, _, name = path.rpartition("/")
    if _RELATION_DIRECTORY.fullmatch(directory) is None:
        return None
    found = _RELATION.fullmatch(name)
    if found is None:
        return None
    return RelationFile(int(found["number"]), found["fork"] or "main", int(found["segment"] or 0))


def is_main_fork(path: str) -> bool:
    """Whether `path` (relative to its root) is data of a relation: no map of it, no fork of another kind."""
    relation = relation_file(path)
    return relation is not None and relation.fork == "main"


def is_excluded(directory: str, name: str) -> bool:
    """Whether `name` in `directory` stays out. Unlogged relations are a matter of `is_unlogged_data`."""
    if name in EXCLUDED_FILES or name.startswith(EXCLUDED_PREFIXES):
        return True
    return is_database_directory(directory) and _TEMPORARY_RELATION.fullmatch(name) is not None


def init_fork_number(name: str) -> str | None:
    """The relfilenode whose init fork `name` is: every other fork of it is unlogged data."""
    found = _RELATION.fullmatch(name)
    return found["number"] if found and found["fork"] == "init" else None


def is_unlogged_data(name: str, unlogged: frozenset[str] | set[str]) -> bool:
    """Whether `name` is data of one of the `unlogged` relfilenodes of its directory (its init fork is
    not).
    """
    found = _RELATION.fullmatch(name)
    return bool(found and found["fork"] != "init" and found["number"] in unlogged)


def is_kept_empty(directory: str, name: str) -> bool:
    """Whether the directory `name` is stored without what is in it."""
    return name in EMPTIED_DIRECTORIES or (directory == "" and name == WAL_DIRECTORY)


def first_block(relation: RelationFile, blocks_per_segment: int) -> int:
    """The number of the first page of this segment within its fork."""
    return relation.segment * blocks_per_segment
