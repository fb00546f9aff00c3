"""`python -m dataprotect.engine.archive_wal %p --instance NAME`: what a server's archive_command calls.

No Django and no catalog: it must be quick, and the log must be safe while the catalog is away. Where to ship
to is in a small file of the home, `archiving/NAME.json` (0600, no password in it), that
`manage.py archive_wal --prepare NAME` writes. Exit 0 means: durable in the repository. The collector takes
what was archived into the catalog.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.databases.postgresql.commit_record import newest_commit
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.logs import Heartbeat, LogWriter, Shipped
from dataprotect.storage.logs.layout import is_segment, segment_start
from dataprotect.storage.repository import Repository

FOLDER = "archiving"
_LONG_HEADER = struct.Struct("=HHIQI4xQII")
"""A segment's first page: magic, info, timeline, page address, remaining length, system identifier, segment
size, block size (PostgreSQL's XLogLongPageHeaderData, in the byte order of the server's machine)."""
_HISTORY = re.compile(r"([0-9A-F]{8})\.history")
_LABEL = re.compile(r"[0-9A-F]{24}\.[0-9A-F]{8}\.backup")
_PARTIAL = re.compile(r"[0-9A-F]{24}\.partial")


@dataclass(frozen=True, slots=True)
class Destination:
    """What the file in the home says. `system_identifier` is checked against every segment."""

    instance_id: str
    repository: str
    keyring: str
    system_identifier: str
    segment_size: int

    @classmethod
    def load(cls, home: Path, name: str) -> Destination:
        """Raises `archive.not_prepared`."""
        try:
            return cls(**json.loads((home / FOLDER / f"{name}.json").read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ForeseenError(
                "archive.not_prepared",
                f"Archiving for the instance {name} is not prepared in {home}.",
                f"Run: manage.py archive_wal --prepare {name}",
            ) from error


def archive(home: Path, name: str, path: Path) -> str:
    """Ship one file of pg_wal; what was done, in words. Shipped before is fine, another content is not.

    Raises ForeseenError; then the server keeps the file and calls again.
    """
    to = Destination.load(home, name)
    if _LABEL.fullmatch(path.name):
        return "not needed"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ForeseenError(
            "archive.unreadable",
            f"The file {path} cannot be read ({os.strerror(error.errno or 0)}).",
            "Let archive_command run as a user who may read the server's pg_wal.",
        ) from error
    writer = _writer(to)
    shipped = _ship(writer, to, path.name, data)
    _mark(home, name, shipped)
    return "stored" if shipped is not None and shipped.stored else "was stored already"


def _ship(writer: LogWriter, to: Destination, name: str, data: bytes) -> Shipped | None:
    """None when nothing of it counts."""
    if found := _HISTORY.fullmatch(name):
        return writer.ship_history(int(found[1], 16), data)
    if is_segment(name):
        _check(to, name, data)
        beats = _beats(name, data)
        return writer.ship_segment(name, lambda at, length: data[at : at + length], beats)
    if _PARTIAL.fullmatch(name):
        _check(to, name, data)
        return _ship_partial(writer, name.removesuffix(".partial"), data)
    raise ForeseenError(
        "archive.unknown_file",
        f"The file {name} is no WAL segment, timeline history or backup label.",
        "Use archive_command = '… %p --instance NAME' with the server's own %p.",
    )


def _beats(segment: str, data: bytes) -> list[Heartbeat]:
    """Nobody beats where log is pushed: its newest commit ties an instant to a position just as well."""
    found = newest_commit(data, segment_start(segment, len(data)))
    return [Heartbeat(found[0], lsn.text(found[1]))] if found else []


def _ship_partial(writer: LogWriter, segment: str, data: bytes) -> Shipped | None:
    """The last segment of a timeline that was left: only what lies before the place where it was left counts,
    which the history of the next timeline says. The server archives that first.
    """
    end = writer.left_at(segment)
    if end is None:
        raise ForeseenError(
            "archive.history_missing",
            f"Where the timeline of {segment} was left is not known yet: no stored history says so.",
            "Nothing: the server archives the history and calls again.",
            retry=True,
        )
    if end == 0:
        return None
    return writer.ship_slice(segment, 0, end, lambda at, length: data[at : at + length])


def _check(to: Destination, name: str, data: bytes) -> None:
    """Is it a whole segment of this very cluster, and the one its name says?"""
    if len(data) != to.segment_size:
        raise ForeseenError(
            "archive.size",
            f"The segment {name} has {len(data)} bytes; a segment of this cluster has {to.segment_size}.",
            "Check the server's disk; a segment is never shorter than that.",
        )
    *_, system, size, _ = _LONG_HEADER.unpack_from(data)
    if str(system) != to.system_identifier:
        raise ForeseenError(
            "archive.another_cluster",
            f"The segment {name} belongs to the cluster {system}, not to {to.system_identifier}.",
            "Correct the archive_command of that server: it names another server's instance.",
        )
    if size != to.segment_size:
        raise ForeseenError(
            "archive.size",
            f"The segment {name} says its size is {size}; it was prepared for {to.segment_size}.",
            "Prepare archiving again: manage.py archive_wal --prepare NAME",
        )


def _writer(to: Destination) -> LogWriter:
    keyring = LocalKeyring.load(Path(to.keyring))
    repository = Repository.open(to.repository, keyring, write=True)
    return LogWriter.open(
        repository, to.instance_id, system_identifier=to.system_identifier, segment_size=to.segment_size,
        quick=True,
    )  # fmt: skip


def _mark(home: Path, name: str, shipped: Shipped | None) -> None:
    """For the collector: there is something to take into the catalog, and a line for each known instant."""
    with (home / FOLDER / f"{name}.shipped").open("a") as mark:
        if shipped is not None:
            lines = ([shipped.timeline, clock.iso(at), place] for at, place in shipped.heartbeats)
            mark.write("".join(json.dumps(line) + "\n" for line in lines))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="archive_wal", description="Ship one file of pg_wal (archive_command)."
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the server's %%p")
    parser.add_argument("--instance", required=True, metavar="NAME")
    parser.add_argument(
        "--home", type=Path, default=os.environ.get("DATAPROTECT_HOME"), help="DATAPROTECT_HOME"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.home is None:
        parser.error("--home or DATAPROTECT_HOME is needed")
    try:
        done = archive(Path(options.home), options.instance, options.path)
    except ForeseenError as error:
        sys.stderr.write(f"{error.message}\n{error.action}\n")
        if options.json:
            sys.stdout.write(json.dumps({"error": error.as_json()}) + "\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps({"file": options.path.name, "done": done}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
