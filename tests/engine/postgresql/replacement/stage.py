"""A live server with the demo's shop and a small database, one backup of both, and a clone of it."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from dataprotect.engine import clones, replace
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.model import Address, Clone
from dataprotect.engine.replace_model import Names, Origin, ReplaceRequest, ReplaceTarget
from tests.engine.postgresql.conftest import INSTANCE, Bench, address_of
from tests.engine.postgresql.protected import own
from tests.servers.postgresql import PostgresServer

ROOT = Path(__file__).parents[4]
ODD = "Ödd \"n' = %s x"
TINY = """
CREATE TABLE item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text NOT NULL);
INSERT INTO item (t) SELECT md5(i::text) FROM generate_series(1, 1000) i;
CREATE TABLE other (id int PRIMARY KEY, item bigint REFERENCES item);
INSERT INTO other SELECT i, i FROM generate_series(1, 100) i;
SELECT lo_from_bytea(0, decode(repeat('c0ffee', 2000), 'hex'));
"""
_ids = itertools.count(1)


@dataclass
class Stage:
    """`tiny` and the odd-named database are made anew by `renew`; the shop is left as it was."""

    server: PostgresServer
    bench: Bench
    clone: Clone

    def request(self, database: str, address: Address | None = None, **changes: object) -> ReplaceRequest:
        values: dict[str, object] = {
            "target": ReplaceTarget(address or address_of(self.server), database),
            "restore_id": f"t{next(_ids)}",
            "dsn": self.clone.dsn,
            "spool": self.bench.folder / "spool-of-replace",
            "binaries": {self.server.major: self.server.bin},
        }
        return ReplaceRequest(**(values | changes))  # type: ignore[arg-type]

    def renew(self, database: str = "tiny") -> None:
        """As it was when the backup was taken."""
        self._drop(database)
        with self.server.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        with self.server.connect(database) as connection:
            connection.execute(TINY)

    def clear(self) -> None:
        """Nothing is left beside the databases in use."""
        for name in self.beside():
            self._drop(name)

    def _drop(self, database: str) -> None:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        with self.server.connect() as connection:
            connection.execute(statement)

    def damage(self, database: str = "tiny") -> None:
        """What the restore is for."""
        with self.server.connect(database) as connection:
            connection.execute("DELETE FROM other; DELETE FROM item WHERE id > 10")

    def count(self, database: str = "tiny", table: str = "item") -> int:
        with self.server.connect(database) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])

    def databases(self) -> dict[str, bool]:
        """Every database that is no template, and whether it lets anybody in."""
        with self.server.connect() as connection:
            return dict(
                connection.execute(
                    "SELECT datname, datallowconn FROM pg_database WHERE NOT datistemplate"
                ).fetchall()
            )

    def beside(self) -> set[str]:
        return {name for name in self.databases() if "__" in name}

    def sessions(self) -> int:
        with self.server.connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dataprotect%'"
                " OR application_name ~ 'pg_(dump|restore)|vacuumdb'"
            ).fetchone()
        assert row is not None
        return int(row[0])


def called(origin: Origin) -> Names:
    return replace.names(origin.database, origin.restore_id)


def build(folder: Path, binaries: Path) -> Iterator[Stage]:
    server = PostgresServer(
        binaries, folder / "server", settings={"max_prepared_transactions": "5", "wal_level": "logical"}
    ).create().start()  # fmt: skip
    bench = Bench(folder / "bench")
    for place in (bench.folder, bench.spool):
        place.chmod(0o711)
    try:
        _fill(server, own(folder / "archive"))
        result = bench.back_up(server, backup_id="staged")
        request = CloneRequest(
            INSTANCE, result.backup_id, bench.folder / "clones", binaries={server.major: server.bin}
        )
        clone = clones.bring_up(bench.repository, request)
        try:
            yield Stage(server, bench, clone)
        finally:
            clones.drop(bench.folder / "clones", clone.clone_id)
    finally:
        server.stop()
        bench.close()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(server: PostgresServer, space: Path) -> None:
    with server.connect() as connection:
        for statement in (
            "CREATE ROLE shop_reader NOLOGIN", "CREATE ROLE shop_application LOGIN IN ROLE shop_reader",
            "CREATE ROLE shop_owner", f"CREATE TABLESPACE shop_archive LOCATION '{space}'",
            "CREATE DATABASE shop OWNER shop_owner", "CREATE DATABASE tiny",
        ):  # fmt: skip
            connection.execute(statement)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(ODD)))
    for name in ("tiny", ODD):
        with server.connect(name) as connection:
            connection.execute(TINY)
    with server.connect("shop") as connection:
        connection.execute(small_shop())
        connection.execute(MORE)


def small_shop() -> str:
    """The demo's shop with a fiftieth of its rows."""
    text = (ROOT / "restores/demo/shop.sql").read_text()
    for large, small in (("20000", "400"), ("40000", "800"), ("1000", "60"), ("id <= 20", "id <= 3"),
                         ("'3 min'", "'150 min'")):  # fmt: skip
        text = re.sub(rf"(?<!MINVALUE )(?<!START ){re.escape(large)}(?![0-9])", small, text)
    return text


MORE = """
ALTER TABLE shop.customer ADD dropped int; ALTER TABLE shop.customer DROP dropped; ALTER TABLE shop.customer ADD later text;
CREATE PUBLICATION all_orders FOR TABLE shop.customer_order;
CREATE STATISTICS shop.by_state ON state, customer_id FROM shop.customer_order;
CREATE INDEX ON shop.payment (order_id);
CREATE RULE quiet AS ON DELETE TO shop.order_history DO INSTEAD NOTHING;
"""  # noqa: E501
