"""Where the objects of a repository lie."""

from __future__ import annotations

import re

from dataprotect.core.errors import InvalidInput

REPOSITORY = "repository.json"
_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def check_identifier(field: str, value: str) -> str:
    """`value` itself when it is a lawful instance or backup id. Raises InvalidInput."""
    if not _IDENTIFIER.fullmatch(value):
        raise InvalidInput(field, f"Expected 1 to 128 letters, digits, '_' or '-', got {value[:140]!r}.")
    return value


def instance_marker(instance_id: str, number: int = 1) -> str:
    """Whose folder it is; a cluster that was accepted later has the next number."""
    return f"{instance_id}/instance.json" if number == 1 else f"{instance_id}/instance-{number}.json"


def backups_folder(instance_id: str) -> str:
    return f"{instance_id}/backups/"


def backup_folder(instance_id: str, backup_id: str) -> str:
    """Ends with a slash; the names of a seal are relative to it."""
    return f"{instance_id}/backups/{backup_id}/"


def logs_folder(instance_id: str) -> str:
    """Ends with a slash; below it one folder per stream."""
    return f"{instance_id}/logs/"


def pack(number: int) -> str:
    """Relative to the backup's folder; packs count from 1."""
    return f"packs/{number:08d}"


MANIFEST = "manifest"
SEAL = "seal.json"
TOMBSTONE = "deleting.json"
"""Put first and removed last when a backup is deleted: with it in its folder, a backup counts as gone."""

STREAM = "stream.json"
"""What a stream of log is; relative to the stream's folder."""

BEGUN = "begun.json"
"""The reservation: the first object of a backup, so that two writers can never share a name."""
