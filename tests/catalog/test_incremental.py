"""Which backup the next one builds on, as the catalog chooses it; told to people and scripts; rebuilt."""

from __future__ import annotations

from pathlib import Path

from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer

_PARENTS = "[sorted(b.parents.values_list('backup_id', flat=True)) for b in Backup.objects.order_by('pk')]"


def protect(installation: Installation, server: PostgresServer) -> None:
    installation.add_repository()
    installation.add_instance(server)


def take(installation: Installation, type: str) -> dict[str, object]:
    return installation.answer("backup", "orders", "--type", type)


def test_a_mixture_and_what_each_one_needs(installation: Installation, postgres15: PostgresServer) -> None:
    protect(installation, postgres15)
    first = take(installation, "incremental")
    assert (first["type"], first["base_id"], first["parents"]) == ("full", "", [])
    assert first["type_reason"].endswith("orders has no backup yet.")  # type: ignore[union-attr]
    assert "-full-" in str(first["backup_id"])
    ids = [first["backup_id"]]
    bases = {"incremental": 0, "differential": 0}
    for type in ("incremental", "differential", "incremental"):
        taken = take(installation, type)
        base = 0 if type == "differential" else len(ids) - 1
        assert (taken["type"], taken["state"], taken["type_reason"]) == (type, "checked", "")
        assert taken["base_id"] == ids[base]
        assert f"-{type}-" in str(taken["backup_id"])
        ids.append(taken["backup_id"])
        bases[type] += 1
    needed = [[], [0], [0], [0, 2]]
    assert installation.rows(_PARENTS) == [sorted(ids[one] for one in each) for each in needed]
    assert installation.answer("verify", str(ids[-1]), "--level", "decode")["passed"] is True
    installation.rows("Backup.objects.filter(parents__isnull=False).distinct().count()")
    code = "[Backup.parents.through.objects.all().delete(), Verification.objects.all().delete(),"
    installation.rows(code + " Backup.objects.all().delete()] and 0")
    installation.answer("rebuild_catalog", "local")
    assert installation.rows(_PARENTS) == [sorted(ids[one] for one in each) for each in needed]


def test_only_what_is_checked_is_built_on(installation: Installation, postgres15: PostgresServer) -> None:
    protect(installation, postgres15)
    full, later = take(installation, "full"), take(installation, "incremental")
    set_state(installation, later, "damaged")
    assert take(installation, "incremental")["base_id"] == full["backup_id"]
    set_state(installation, full, "stored")
    alone = take(installation, "incremental")
    assert (alone["type"], alone["base_id"]) == ("full", "")
    assert "depends on one that is not checked" in str(alone["type_reason"])
    set_state(installation, alone, "expiring")
    expiring = take(installation, "differential")
    assert expiring["type"] == "full"
    assert f"{alone['backup_id']}, is expiring, not checked" in str(expiring["type_reason"])
    ran = installation.run("backup", "orders", "--type", "incremental")
    assert f"compared with: {expiring['backup_id']}" in ran.out


def test_another_repository_begins_with_a_full(
    installation: Installation, postgres15: PostgresServer, workdir: Path
) -> None:
    protect(installation, postgres15)
    take(installation, "full")
    installation.add_repository("second", installation.home.parent / f"{installation.home.name}-second")
    installation.answer("change_instance", "orders", "--repository", "second")
    moved = take(installation, "incremental")
    assert moved["type"] == "full"
    assert "is in the repository local" in str(moved["type_reason"])


def test_a_chain_ends_at_the_limit(installation: Installation, postgres15: PostgresServer) -> None:
    installation.environment["BACKUP_CHAIN_LIMIT"] = "2"
    protect(installation, postgres15)
    types = [take(installation, "incremental") for _ in range(4)]
    assert [taken["type"] for taken in types] == ["full", "incremental", "incremental", "full"]
    assert "already depends on 2 others" in str(types[-1]["type_reason"])


def set_state(installation: Installation, taken: dict[str, object], state: str) -> None:
    row = f"Backup.objects.filter(backup_id='{taken['backup_id']}')"
    assert installation.rows(f"{row}.update(state='{state}')") == 1
