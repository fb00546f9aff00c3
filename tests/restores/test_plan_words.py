"""Whoever signs reads what changes, and why this many sign: it stands in the plan, under its hash."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import Instance
from catalog.services.change_request import payload_hash
from restores.services.plan_words import what_changes
from restores.services.request_draft import restore_draft
from tests.restores.signing import Dba, submitted, wish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reachable")]


def test_the_blast_radius_says_which_row_it_falls_into(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    one, two = submitted(anna, orders, "shop"), submitted(anna, orders, "shop", "ledger")
    limits = "(databases: up to 1, volume: up to 500 GB)"
    assert one.plan["approval"]["because"] == f"1 database, 1 GB: signed like “Single database” {limits}."
    assert two.plan["approval"]["because"].startswith("2 databases, 2 GB: signed like “Multi-database” (")
    assert "shop, ledger on orders-db" in two.plan["changes"]
    assert two.plan_hash == payload_hash(two.plan), "what is read is what is signed"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"scope": "test", "target_instance": None, "databases": ()}, "Nothing on any server"),
        ({"table_mode": "merge"}, "No row that is there is touched"),
        ({"table_mode": "replace"}, "Rows written since go"),
        ({"table_mode": ""}, "not chosen yet"),
        ({"scope": "system", "databases": (), "tables": ()}, "All of orders-db: its server is stopped"),
    ],
)
def test_every_kind_of_restore_says_its_effect(
    more: dict[str, Any], words: str, orders: Instance, dba: Dba
) -> None:
    given = {"scope": "table", "tables": [("public", "{odd}")], "table_mode": "rows", **more}
    row = restore_draft(actor=dba("anna"), instance=orders, wish=wish(orders, "shop", **given))
    assert words in what_changes(row)
    assert row.scope != "table" or not more["table_mode"] or "public.{odd}" in what_changes(row)
