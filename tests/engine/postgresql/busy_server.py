"""A server that is treated as years of people treat one: all that changes files, each in its own manner."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import psycopg

from tests.engine.postgresql.protected import own
from tests.servers.postgresql import PostgresServer, free_port

_SETTINGS = {"max_wal_size": "64MB", "checkpoint_timeout": "30s", "autovacuum": "off", "wal_log_hints": "off"}
_TABLES = """
CREATE TABLE wide (id int PRIMARY KEY, n int, t text);
INSERT INTO wide SELECT i, 0, repeat(md5(i::text), 6) FROM generate_series(1, 12000) i;
CREATE INDEX wide_t ON wide (t);
CREATE UNLOGGED TABLE fleeting AS SELECT i, md5(i::text) t FROM generate_series(1, 8000) i;
CREATE TABLE renewed AS SELECT generate_series(1, 80000) i;
"""


class BusyServer:
    """`server` changes when a standby takes over. Every method leaves it running."""

    def __init__(self, binaries: Path, folder: Path, *, checksums: bool) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._binaries = binaries
        self.server = PostgresServer(
            binaries, folder / "server", checksums=checksums, settings=dict(_SETTINGS)
        ).create().start()  # fmt: skip
        self.databases: list[str] = []
        self.saved: Path | None = None
        space = own(folder / "elsewhere")
        self.sql(f"CREATE TABLESPACE elsewhere LOCATION '{space}'")
        self.sql(_TABLES)
        self.pgbench("-i", "-q", "-s", "2")

    def close(self) -> None:
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, *statements: str, database: str = "postgres") -> None:
        with self.server.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def pgbench(self, *argv: str) -> None:
        subprocess.run(
            self.server.pgbench(*argv), check=True, capture_output=True,
            env={"PGPASSWORD": self.server.password},
        )  # fmt: skip

    def update(self, start: int, count: int) -> None:
        self.sql(f"UPDATE wide SET n = n + 1 WHERE id BETWEEN {start} AND {start + count}")

    def shrink_and_grow(self) -> None:
        """The file is cut, and grows again over pages that the last backup knew otherwise."""
        self.sql("DELETE FROM wide WHERE id > 4000", "VACUUM wide")
        self.sql("INSERT INTO wide SELECT i, -1, repeat('x', i % 200) FROM generate_series(4001, 12000) i")

    def read_everything(self) -> None:
        """Sets hint bits: pages change, and without checksums their positions do not."""
        self.sql("CHECKPOINT", "SELECT count(*), sum(n) FROM wide", "SELECT count(*) FROM pgbench_accounts")
        self.sql("CHECKPOINT")

    def truncate(self) -> None:
        self.sql("TRUNCATE renewed", "INSERT INTO renewed SELECT generate_series(1, 3000)")

    def recreate(self) -> None:
        self.sql(
            "DROP TABLE renewed", "CREATE TABLE renewed AS SELECT i, i::text t FROM generate_series(1,9000) i"
        )

    def rewrite(self, how: str) -> None:
        self.sql(how)

    def create_database(self, strategy: str) -> None:
        name = f"copy{next(self._numbers)}"
        with self.server.connect("template1") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template1 STRATEGY {strategy}")
        self.sql("CREATE TABLE t AS SELECT generate_series(1, 20000) i", database=name)
        self.databases.append(name)

    def copy_database(self, strategy: str) -> None:
        if self.databases:
            name = f"copy{next(self._numbers)}"
            self.sql(f"CREATE DATABASE {name} TEMPLATE {self.databases[-1]} STRATEGY {strategy}")
            self.databases.append(name)

    def drop_database(self) -> None:
        if self.databases:
            self.sql(f"DROP DATABASE {self.databases.pop(0)}")

    def move_database(self) -> None:
        """There and back again: the same paths, written by another way than any page's log."""
        if self.databases:
            name = self.databases[-1]
            self.sql(f"ALTER DATABASE {name} SET TABLESPACE elsewhere")
            self.sql("UPDATE t SET i = i + 1 WHERE i % 10 = 0", database=name)
            self.sql(f"ALTER DATABASE {name} SET TABLESPACE pg_default")

    def move_table(self, back: bool) -> None:
        self.sql("ALTER TABLE wide SET TABLESPACE elsewhere")
        if back:
            self.sql("ALTER TABLE wide SET TABLESPACE pg_default")

    def crash(self) -> None:
        self.server.kill()
        (self.server.data / "postmaster.pid").unlink(missing_ok=True)
        self.server.start()

    def toggle_checksums(self) -> None:
        """Rewrites every page and leaves its position as it was."""
        self.server.stop("fast")
        found = self.server.run(self.server.bin / "pg_controldata", "-D", self.server.data).stdout
        on = next(line for line in found.splitlines() if "checksum version" in line).endswith("1")
        word = "--disable" if on else "--enable"
        self.server.run(self.server.bin / "pg_checksums", word, "-D", self.server.data)
        self.server.start()

    def promote(self) -> None:
        """A new timeline of the same folder."""
        self.server.stop("fast")
        self.server.run("touch", self.server.data / "standby.signal")
        self.server.start()
        self._promote(self.server)

    def fail_over(self) -> None:
        """A standby is made, catches up, and takes over; the old primary is gone."""
        standby = PostgresServer(self.server.bin, self.folder / f"standby{next(self._numbers)}")
        own(standby.folder)
        space = standby.folder / "elsewhere"
        self.server.run(
            self.server.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", str(self.server.port),
            "-U", "postgres", "-D", standby.data, "-R", "-X", "stream", "-c", "fast",
            "-T", f"{self._space()}={space}",
        )  # fmt: skip
        standby.port = free_port()
        with (standby.data / "postgresql.auto.conf").open("a") as conf:
            conf.write(f"port = {standby.port}\nunix_socket_directories = '{standby.folder}'\n")
        self.server.stop("fast")
        standby.start()
        self._promote(standby)
        self.server, self.saved = standby, None

    def save(self) -> None:
        """Keep the server's state, as a snapshot of its machine would."""
        self.server.stop("fast")
        self.saved = self.folder / "saved"
        self._copy(self.server.data, self.saved / "data")
        self._copy(Path(self._space_of(self.server)), self.saved / "elsewhere")
        self.server.start()

    def set_back(self) -> bool:
        """The machine's snapshot is put back: an older state, which goes on as if nothing had been."""
        if self.saved is None:
            return False
        self.server.stop("fast")
        self._copy(self.saved / "data", self.server.data)
        self._copy(self.saved / "elsewhere", Path(self._space_of(self.server)))
        self.server.start()
        with self.server.connect() as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'copy%' ORDER BY oid"
            )
            self.databases = [name for (name,) in rows]
        return True

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(exist_ok=True, parents=True)
        subprocess.run(["rm", "-rf", str(target)], check=True)
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)

    def _promote(self, server: PostgresServer) -> None:
        server.run(server.bin / "pg_ctl", "-D", server.data, "-w", "promote")
        with server.connect() as connection:
            connection.execute("SELECT txid_current()")

    def _space(self) -> str:
        return self._space_of(self.server)

    @staticmethod
    def _space_of(server: PostgresServer) -> str:
        (link,) = (server.data / "pg_tblspc").iterdir()
        return str(link.readlink())

    def connect(self) -> psycopg.Connection:
        return self.server.connect()
