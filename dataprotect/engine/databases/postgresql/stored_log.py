"""The log stored with a backup, read by the server's own pg_waldump."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import command
from dataprotect.engine.command import Account
from dataprotect.engine.databases.postgresql.binaries import Binaries

_CREATED = re.compile(r'desc: CREATE (\d+) "(.+)"')


@dataclass(frozen=True, slots=True)
class StoredLog:
    """Segments in `folder` that hold `timeline` from `start` to `end`; read as `account` with `binaries`."""

    binaries: Binaries
    account: Account
    folder: Path
    timeline: int
    start: str
    end: str

    def dump(self, managers: tuple[str, ...], on_line: Callable[[str], None], reporter: Reporter) -> None:
        """Hand over one line per record of these resource managers."""
        command.run(
            [
                self.binaries.path("pg_waldump"), "-p", self.folder, "-t", str(self.timeline),
                "-s", self.start, "-e", self.end, *(f"--rmgr={manager}" for manager in managers),
            ],
            account=self.account, reporter=reporter, on_line=on_line,
        )  # fmt: skip


def refuse_new_tablespaces(log: StoredLog, reporter: Reporter) -> None:
    """Raise when replaying the log would create a tablespace: the server does that where the source had
    it, and first deletes what it finds there.
    """
    lines: list[str] = []
    log.dump(("Tablespace",), lines.append, reporter)
    for line in lines:
        if created := _CREATED.search(line):
            raise created_meanwhile(created[2])


def created_in_log(location: str) -> ForeseenError:
    return ForeseenError(
        "restore.tablespace_in_log",
        f"A tablespace in {location} was created between the backup and the target; replaying that would "
        "touch that very folder.",
        "Choose a target before it, or a backup taken after it.",
    )


def created_meanwhile(location: str) -> ForeseenError:
    return ForeseenError(
        "restore.tablespace_in_log",
        f"A tablespace in {location} was created while the backup was taken; replaying that would touch that "
        "very folder.",
        "Take a new backup and use that one.",
    )
