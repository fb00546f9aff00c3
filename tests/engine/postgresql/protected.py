"""A source with everything that breaks restores, settings hostile to clones, and one backup of it."""

# ruff: noqa: E501  the shop is SQL
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dataprotect.core.progress import Reporter
from dataprotect.engine import clones
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.databases.postgresql import clone as clone_access
from dataprotect.engine.model import Clone, Verification
from dataprotect.engine.verify import Level, verify
from tests.engine.postgresql.conftest import INSTANCE, Bench
from tests.servers.postgresql import PostgresServer, unprivileged_user

SHOP = """
CREATE EXTENSION pgcrypto;
CREATE EXTENSION pg_stat_statements;
CREATE ROLE clerk; CREATE ROLE anna LOGIN PASSWORD 'secret' IN ROLE clerk; CREATE ROLE idle;
CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO clerk;
CREATE TABLE shop.customer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text UNIQUE);
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer bigint REFERENCES shop.customer, at timestamptz, total numeric,
    doc jsonb, raw bytea, twice numeric GENERATED ALWAYS AS (total * 2) STORED);
CREATE TABLE shop.part (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.part_1 PARTITION OF shop.part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shop.part_2 PARTITION OF shop.part FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE shop.far (id int PRIMARY KEY, v text) TABLESPACE fast;
CREATE TABLE shop."Odd ""name" (a text, "b c" int);
CREATE UNLOGGED TABLE shop.basket (id int);
INSERT INTO shop.customer (name, email) SELECT 'n' || i, 'e' || i || '@example.org' FROM generate_series(1, 2000) i;
INSERT INTO shop.orders (customer, at, total, doc, raw) SELECT 1 + i % 2000, '2026-01-01'::timestamptz + i * interval '1 min',
    i * 1.1, jsonb_build_object('i', i), digest(i::text, 'sha256') FROM generate_series(1, 4000) i;
INSERT INTO shop.part SELECT i, '2026-01-01'::date + i % 50 FROM generate_series(1, 500) i;
INSERT INTO shop.far SELECT i, md5(i::text) FROM generate_series(1, 1000) i;
INSERT INTO shop."Odd ""name" VALUES ('x', 1), ('y', 2); INSERT INTO shop.basket VALUES (1);
CREATE INDEX orders_at ON shop.orders (at); CREATE INDEX orders_total ON shop.orders (total);
CREATE VIEW shop.open_orders AS SELECT * FROM shop.orders WHERE total > 10;
CREATE MATERIALIZED VIEW shop.turnover AS SELECT customer, sum(total) FROM shop.orders GROUP BY 1;
CREATE FUNCTION shop.tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 1.19';
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at = now(); RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE SEQUENCE shop.invoice INCREMENT 10 START 1000; SELECT nextval('shop.invoice') FROM generate_series(1, 50);
SELECT setval('shop.orders_id_seq', 9000);
GRANT SELECT, INSERT ON shop.orders TO clerk; ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON shop.customer USING (true);
SELECT lo_from_bytea(0, decode(repeat('c0ffee', 2000), 'hex')) FROM generate_series(1, 3);
CREATE PUBLICATION all_orders FOR TABLE shop.orders;
"""


@dataclass
class Protected:
    """`archived` is where the source's archive_command leaves a file per segment."""

    server: PostgresServer
    bench: Bench
    backup_id: str
    archived: Path

    @property
    def clones(self) -> Path:
        return self.bench.folder / "clones"

    @property
    def binaries(self) -> dict[int, Path]:
        return {self.server.major: self.server.bin}

    def request(self, **changes: object) -> CloneRequest:
        values = {
            "instance_id": INSTANCE, "backup_id": self.backup_id, "clones": self.clones, "binaries": self.binaries,
        }  # fmt: skip
        return CloneRequest(**(values | changes))  # type: ignore[arg-type]

    def bring_up(self, reporter: Reporter | None = None, **changes: object) -> Clone:
        return clones.bring_up(self.bench.repository, self.request(**changes), reporter)

    def verify(self, level: Level, reporter: Reporter | None = None, **changes: object) -> Verification:
        return verify(
            level, self.bench.repository, INSTANCE, self.backup_id, reporter=reporter, clones=self.clones,
            binaries=self.binaries, **changes,
        )  # type: ignore[arg-type] # fmt: skip

    def servers_left(self) -> list[str]:
        """Command lines of PostgreSQL processes that run out of this bench's clones folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if str(self.clones) in words and "postgres" in words and "pytest" not in words:
                    found.append(words)
        return found

    def nothing_left(self) -> bool:
        return not self.servers_left() and not (self.clones.exists() and names_in(self.clones))


def inside(clone: Clone, database: str = "postgres") -> psycopg.Connection:
    return clone_access.connect(clone.dsn, database)


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def own(folder: Path) -> Path:
    """A folder of the servers' user."""
    folder.mkdir(parents=True)
    if user := unprivileged_user():
        shutil.chown(folder, user, user)
    return folder


def build(folder: Path, binaries: Path) -> PostgresServer:
    """The source: archiving, preloading, a second database, a renamed superuser, a tablespace."""
    archived = own(folder / "archived")
    server = PostgresServer(
        binaries, folder / "server",
        settings={
            "archive_mode": "on", "archive_command": f"'touch {archived}/%f'",
            "shared_preload_libraries": "'pg_stat_statements'", "primary_conninfo": "'host=127.0.0.1 port=1'",
        },
    ).create().start()  # fmt: skip
    space = own(folder / "fast")
    with server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE fast LOCATION '{space}'")
        connection.execute("CREATE DATABASE second")
        connection.execute('CREATE DATABASE "Ödd name"')
        connection.execute(SHOP)
        connection.execute("ALTER DATABASE second SET default_transaction_read_only = on")
        connection.execute("CREATE DATABASE broken")
        connection.execute("ALTER DATABASE broken SET session_preload_libraries = 'no_such_library'")
    run_pgbench(server, "-i", "-q", "-s", "1")
    return server


def run_pgbench(server: PostgresServer, *argv: str) -> None:
    subprocess.run(server.pgbench(*argv), check=True, capture_output=True, env=pgbench_environment(server))


def pgbench_environment(server: PostgresServer) -> dict[str, str]:
    return {"PGPASSWORD": server.password, "PATH": "/usr/bin:/bin"}


def protect(folder: Path, binaries: Path) -> Iterator[Protected]:
    """Made once per module and version; tests leave source and backup as they were."""
    server = build(folder, binaries)
    bench = Bench(folder / "bench")
    bench.folder.chmod(0o711)
    try:
        result = bench.back_up(server, backup_id="protected")
        yield Protected(server, bench, result.backup_id, folder / "archived")
    finally:
        server.stop()
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)
