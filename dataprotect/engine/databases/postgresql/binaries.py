"""The server's own programs, by major version."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dataprotect.core.errors import ForeseenError
from dataprotect.engine import command
from dataprotect.engine.command import Account

DEBIAN = Path("/usr/lib/postgresql")
RED_HAT = "/usr/pgsql-{major}/bin"
NEEDED = ("postgres", "pg_controldata")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One major version's folder of programs."""

    major: int
    folder: Path

    def path(self, program: str) -> Path:
        return self.folder / program

    def has(self, program: str) -> bool:
        return self.path(program).is_file()

    def library_folder(self) -> Path | None:
        """Where the server loads libraries from; None when nobody can tell."""
        if self.has("pg_config"):
            return Path(command.run([self.path("pg_config"), "--pkglibdir"]).stdout.strip())
        for guess in (self.folder.parent / "lib", self.folder.parent / "lib/postgresql"):
            if (guess / "plpgsql.so").exists():
                return guess
        return None


def find(major: int, settings: Mapping[int, Path] | None = None, account: Account | None = None) -> Binaries:
    """The programs of PostgreSQL `major`: where the settings say, else where distributions put them, else
    on PATH.

    Raises ForeseenError `postgresql.binaries_missing`, naming the package, when there are none that `account`
    (whom they will run as) can run.
    """
    if found := look(major, NEEDED, settings, account):
        return found
    raise ForeseenError(
        "postgresql.binaries_missing",
        f"This machine has no PostgreSQL {major} server programs, and a clone needs the source's major "
        f"version.",
        f"Install the package postgresql-{major} here, or name the folder of its programs in the settings.",
    )


def look(
    major: int, needed: Sequence[str], settings: Mapping[int, Path] | None, account: Account | None
) -> Binaries | None:
    """The first folder with all the `needed` programs of that major version; None when there is none."""
    for folder in _candidates(major, needed[0], settings or {}):
        there = all((folder / program).is_file() for program in needed)
        if there and _major(folder / needed[0], account) == major:
            return Binaries(major, folder)
    return None


def _candidates(major: int, program: str, settings: Mapping[int, Path]) -> Iterator[Path]:
    if major in settings:
        yield Path(settings[major])
    yield DEBIAN / str(major) / "bin"
    yield Path(RED_HAT.format(major=major))
    if found := shutil.which(program):
        yield Path(found).resolve().parent


@lru_cache(maxsize=64)
def _major(program: Path, account: Account | None) -> int | None:
    """What `postgres --version` says; None when this account cannot run it."""
    try:
        said = command.run([program, "--version"], account=account, timeout=30).stdout
    except ForeseenError:
        return None
    found = re.search(r"\b(\d+)(?:\.|beta|rc|devel|\b)", said)
    return int(found[1]) if found else None
