"""The same from a real clone: backed up, brought up on its private socket, read through it."""

from __future__ import annotations

from pathlib import Path

from dataprotect.engine import clones, table_rescue
from dataprotect.engine.clones import CloneRequest
from dataprotect.engine.table_rescue_model import RescueRequest, RescueSource, RescueTarget, UndoRequest
from tests.conftest import MakePostgres
from tests.engine.postgresql.conftest import INSTANCE, Bench, address_of
from tests.engine.postgresql.table_rescue.conftest import table


def test_rows_come_back_from_a_clone(bench: Bench, make_postgres: MakePostgres, workdir: Path) -> None:
    server = make_postgres(version=17)
    with server.connect() as live:
        live.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, state text)")
        live.execute("INSERT INTO orders (state) SELECT 'open' FROM generate_series(1, 500)")
        backup = bench.back_up(server)
        live.execute("DELETE FROM orders")
        live.execute("INSERT INTO orders (state) VALUES ('written since')")
        folder = workdir / "rescue-clones"
        made = clones.bring_up(
            bench.repository, CloneRequest(INSTANCE, backup.backup_id, folder, binaries={17: server.bin})
        )
        try:
            source = RescueSource(made.dsn, "postgres")
            target = RescueTarget(address_of(server), "postgres")
            names = (table("orders"),)

            (facts,) = table_rescue.inspect(source, target, names)
            (compared,) = table_rescue.compare(source, target, names)
            result = table_rescue.rescue(RescueRequest("r1", source, target, names, "merge"))

            assert facts.possible and facts.sequences == ("public.orders_id_seq feeds id",)
            assert (compared.missing, compared.extra) == (500, 1)
            assert result.tables[0].inserted == 500
            assert live.execute("SELECT count(*), max(id) FROM orders").fetchone() == (501, 501)
        finally:
            clones.drop(folder, made.clone_id)
        undone = table_rescue.undo(UndoRequest("r1", target))  # needs no clone any more
        assert undone.tables[0].removed == 500
        assert live.execute("SELECT state FROM orders").fetchall() == [("written since",)]
