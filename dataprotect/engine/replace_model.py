"""The frozen shapes of replacing a database side by side. Sizes are bytes, durations seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from dataprotect.engine.model import Address, Check

Place = Literal["untouched", "loading", "staged", "swapped", "rolled back", "unclear"]
Leftover = Literal["staged", "kept", "undone"]


@dataclass(frozen=True, slots=True)
class ReplaceTarget:
    """The database that is replaced, and the instance's *restore account*, with which that is done.

    The account is a superuser; or it may log in, has CREATEDB, and is a member of the owner of the database
    and of every role that owns something in it (and of pg_signal_backend, to end other people's sessions).
    `preflight` checks it and says what a superuser would be needed for. `address.database` is any database
    that can be entered; when it is the one to be replaced another is used.
    data_directory: where the worker sees the server's data directory, if it does; free space is told by it.
    """

    address: Address
    database: str
    data_directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """What the databases of one replacement are called, each at most 63 bytes long.

    staged: loaded and not yet in use. kept: what was in use before the swap. undone: what was swapped in and
    then rolled back.
    """

    staged: str
    kept: str
    undone: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is who, noted by `origin` before anything is done, and stored by whoever runs the replacement.

    oid is that of the database in use; None when there was none by that name (it was dropped). When `load` is
    done, put its `Loaded.oid` into staged_oid and store it again: it makes what is told later surer.
    """

    database: str
    restore_id: str
    oid: int | None
    system_identifier: str
    staged_oid: int | None = None


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """An application's own question, as data.

    sql: one reading statement (SELECT, WITH, VALUES, TABLE, SHOW) in a read-only transaction; the first
    column of the first row, in the server's text, must be `expected` ("" accepts anything but
    null).
    http: a GET of `url` without redirects; the status must be 200 and the first 64 KiB hold `expected`.
    """

    kind: Literal["sql", "http"]
    name: str
    statement: str = ""
    url: str = ""
    expected: str = ""
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class ReplaceRequest:
    """One database's replacement; every function takes the same.

    restore_id    letters, digits and -, at most 32; part of the databases' names
    dsn           of the clone (`Clone.dsn`); "" before there is one: preflight then says what it cannot know
    spool         a folder of ours; the dump lies in a private folder below it while it is loaded
    account       whom the clone's server runs as when we are root (`CloneRequest.account`)
    binaries      folder of the client programs by major version, where the distribution's are not meant
    create_roles  missing roles are made, without password and without any special right
    smoke_address the application's own account, which asks its SQL smoke tests; None: the restore account
    allowed_hosts `host:port` that HTTP smoke tests may ask; nothing else is ever connected to
    """

    target: ReplaceTarget
    restore_id: str
    dsn: str = ""
    spool: Path = Path("/tmp")  # noqa: S108  services always pass their own; this is for the bare engine
    account: str = "postgres"
    binaries: Mapping[int, Path] = field(default_factory=dict)
    jobs: int = 2
    create_roles: bool = False
    smoke_tests: tuple[SmokeTest, ...] = ()
    smoke_address: Address | None = None
    allowed_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SwapOptions:
    """grace_seconds: how long open transactions of clients may end by themselves before they are ended.

    lock_seconds: how long one attempt waits for the lock. attempts: after that many nothing was changed.
    """

    grace_seconds: float = 10.0
    lock_seconds: float = 2.0
    attempts: int = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """A staged database, complete and analysed. `row_counts`: the clone's rows by `schema.table`, exact."""

    staged: str
    oid: int
    size_bytes: int
    dump_bytes: int
    row_counts: Mapping[str, int]
    timings: Mapping[str, float]
    """Seconds per part: dump, restore, analyze, count."""
    messages: tuple[str, ...] = ()
    """What the programs said that does not matter, each with the name of the rule that says so."""
    created_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Swapped:
    """Names were exchanged in one transaction. `checks` are what was looked at right afterwards.

    lock_seconds: from asking for the lock until the commit; nobody could connect for at most that long.
    drain_seconds: the grace that was used up before. terminated: sessions that were ended.
    """

    at: datetime
    lock_seconds: float
    drain_seconds: float
    attempts: int
    terminated: int
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a replacement stands, told by the server alone. `because` is a sentence for people.

    untouched: the old database is in use and nothing else is there. loading: a staged one is there, and not
    complete. staged: complete, not in use. swapped: the new one is in use. rolled back: the old one is in use
    again. unclear: none of these; a person looks, and nothing is changed by itself.
    """

    place: Place
    because: str
    in_use_oid: int | None = None
    can_swap_back: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """Whether what is in use serves. mismatch_percent: sum of row differences / sum of expected rows * 100,
    over the tables that were counted exactly; None when nothing was expected or nothing answered.
    missing_percent: the same over tables that hold fewer rows than expected: applications that write again
    add to the first and not to this one. Neither makes it unhealthy: how much is too much the caller decides.
    """

    healthy: bool
    checks: tuple[Check, ...]
    mismatch_percent: float | None
    missing_percent: float | None
    seconds: float
