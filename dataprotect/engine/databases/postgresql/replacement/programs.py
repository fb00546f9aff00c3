"""pg_dump, pg_restore and vacuumdb: found, told where to connect, and run in a private folder.

Passwords are in a 0600 file of the folder's owner and nowhere else; the names of databases travel inside a
connection string, so that none is ever taken for one.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import clone_folder, command, processes
from dataprotect.engine.command import Account, Result
from dataprotect.engine.databases.postgresql import binaries, clone
from dataprotect.engine.databases.postgresql.binaries import Binaries
from dataprotect.engine.databases.postgresql.connection import parameters
from dataprotect.engine.model import Address, Tls
from dataprotect.engine.replace_model import ReplaceRequest

NEEDED = ("pg_dump", "pg_restore", "vacuumdb")
_PASSFILE = "passfile"
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Programs:
    """`folder` is theirs alone: their working directory, with the password and the dump in it."""

    binaries: Binaries
    account: Account
    folder: Path

    def run(self, program: str, words: Sequence[str | Path], reporter: Reporter) -> Result:
        """Raises CommandFailed and what the reporter raises; nothing of it runs on afterwards."""
        return command.run(
            [self.binaries.path(program), *words],
            account=self.account,
            cwd=self.folder,
            reporter=reporter,
        )


OPTIONS = "-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0"


def find(request: ReplaceRequest, clone_major: int, target_major: int) -> Binaries:
    """Programs that read the clone and write the target: the target's version, else the clone's.

    Raises `postgresql.binaries_missing`.
    """
    account = command.unprivileged_account(request.account)
    for major in (target_major, clone_major):
        if found := binaries.look(major, NEEDED, request.binaries, account):
            return found
    raise ForeseenError(
        "postgresql.binaries_missing",
        f"This machine has no {', '.join(NEEDED)} of PostgreSQL {target_major}.",
        f"Install the package postgresql-client-{target_major} here, or name the folder of its programs in "
        f"the settings.",
    )


def folder_of(request: ReplaceRequest) -> Path:
    return request.spool / f"replace-{request.restore_id}"


@contextmanager
def at_work(request: ReplaceRequest, found: Binaries) -> Iterator[Programs]:
    """The private folder, empty and ours; whatever happens it is gone afterwards, with all that is in it."""
    account = command.unprivileged_account(request.account)
    folder = folder_of(request)
    sweep(folder)
    request.spool.mkdir(parents=True, exist_ok=True)
    clone_folder.check_reachable(request.spool, account)
    folder.mkdir(mode=0o700)
    os.chown(folder, account.uid, account.gid)
    try:
        _write(folder / _PASSFILE, _passfile(request.target.address).encode(), account)
        yield Programs(found, account, folder)
    finally:
        sweep(folder)


def sweep(folder: Path) -> None:
    """End the programs a dead run left in `folder`, and remove it. Nothing happens when there is none."""
    if not folder.exists():
        return
    for process in processes.inside(folder, *NEEDED):
        processes.end(process, signal.SIGTERM, _PATIENCE)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise ForeseenError(
            "replace.spool_left",
            f"The folder {folder} of the spool could not be removed.",
            "Remove it yourself, then run it again.",
        )


def of_clone(dsn: str, database: str) -> str:
    """The clone's database as a connection string; nothing is secret there."""
    options = clone.CLIENT_OPTIONS
    return make_conninfo(**{**conninfo_to_dict(dsn), "dbname": database, "options": options})  # type: ignore[arg-type]


def of_target(address: Address, database: str, programs: Programs) -> str:
    """The target's database as a connection string without its password; TLS files where they may be read."""
    private = replace(address, tls=_private(address.tls, programs))
    passfile = str(programs.folder / _PASSFILE)
    return make_conninfo(**{**parameters(private, database), "passfile": passfile, "options": OPTIONS})  # type: ignore[arg-type]


def _private(tls: Tls, programs: Programs) -> Tls:
    """Copies in the private folder: the programs' account may not be allowed to read the worker's own."""

    def copied(file: Path | None) -> Path | None:
        if file is None or os.geteuid() != 0:
            return file
        target = programs.folder / f"tls-{file.name}"
        if not target.exists():
            _write(target, file.read_bytes(), programs.account)
        return target

    return Tls(tls.mode, copied(tls.ca_file), copied(tls.certificate_file), copied(tls.key_file))


def _passfile(address: Address) -> str:
    if address.password is None:
        return ""
    user, password = (
        text.replace("\\", "\\\\").replace(":", "\\:") for text in (address.user, address.password.reveal())
    )
    return f"*:*:*:{user}:{password}\n"


def _write(file: Path, content: bytes, account: Account) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    os.chown(file, account.uid, account.gid)
