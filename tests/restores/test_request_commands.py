"""Asking, starting and looking by command, on a real server."""

from __future__ import annotations

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer


def test_a_test_restore_by_command(installation: Installation, postgres15: PostgresServer) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken = installation.answer("backup", "orders")
    asked = installation.answer("restore_request", taken["backup_id"], "--reason", "A look")
    assert (asked["state"], asked["missing"]) == ("approved", [])
    done = installation.answer("restore_start", asked["restore_id"])
    assert done["state"] == "completed" and "verified by" in done["message"]
    assert {step["state"] for step in done["steps"]} == {"done"}
    again = installation.run("restore_start", asked["restore_id"], "--json")
    assert again.code == 1 and again.json["error"]["code"] == "restore.not_approved"
    shown = installation.answer("restore_show", asked["restore_id"])
    assert shown["rto_seconds"] > 0 and shown["plan_hash"] == asked["plan_hash"]
    nothing = installation.run("rollback", asked["restore_id"], "--reason", "x", "--json")
    assert nothing.code == 1 and nothing.json["error"]["code"] == "rollback.nothing"


def test_onto_a_server_it_waits_for_people(installation: Installation, postgres15: PostgresServer) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    installation.answer("probe", "orders")
    taken = installation.answer("backup", "orders")
    words = ["restore_request", taken["backup_id"], "--scope", "database", "--database", "postgres"]
    nowhere = installation.run(*words, "--json")
    assert nowhere.code == 1 and nowhere.json["error"]["code"] == "input.target_instance"
    words += ["--onto", "orders", "--ticket", "CHG-1", "--confirm", "postgres"]
    window = ["--window-start", "2026-11-22T15:00:00Z", "--window-end", "2099-01-01T00:00:00Z"]
    asked = installation.answer(*words, *window)
    assert (asked["state"], asked["missing"]) == ("awaiting", ["DBA", "DBA Lead"])
    refused = installation.run("restore_start", asked["restore_id"], "--json")
    assert refused.code == 1 and refused.json["error"]["code"] == "restore.not_approved"
