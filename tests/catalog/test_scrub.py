"""The continuous scrub: each object once per cycle, damage told within it, nothing lost by a kill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.installation import Installation, end_group
from tests.servers.postgresql import PostgresServer

PROGRESS = (
    "[[p.backup.backup_id, p.cursor, p.objects_read, str(p.last_read_at or '')]"
    " for p in ScrubProgress.objects.order_by('backup__pk')]"
)
PROOFS = (
    "[[v.backup.backup_id, v.passed]"
    " for v in Verification.objects.exclude(job__kind='run_backup').order_by('pk')]"
)
RUNS = "[[r.objects_count, len(r.findings)] for r in ScrubRun.objects.order_by('pk')]"
OPEN = "[[a.rule, a.subject, a.severity, a.state, a.detail] for a in Alert.objects.order_by('pk')]"


def scrub(installation: Installation, share: float) -> dict[str, Any]:
    ran = installation.run("scrub", "local", "--share", str(share), "--json")
    answer = ran.json
    assert (ran.code == 0) == (not answer["findings"]), ran.out + ran.err
    return answer


@pytest.fixture
def with_backups(installation: Installation, postgres15: PostgresServer) -> list[str]:
    installation.add_repository()
    installation.add_instance(postgres15)
    return [installation.answer("backup", "orders")["backup_id"] for _ in range(2)]


def objects_of(installation: Installation) -> int:
    return int(installation.rows("sum(b.object_count - 1 for b in Backup.objects.all())"))


def test_a_cycle_reads_each_object_once_and_finds_a_flipped_byte(
    installation: Installation, with_backups: list[str]
) -> None:
    runs = 0
    while len(installation.rows(PROOFS)) < 2:
        scrub(installation, 0.3)
        runs += 1
        assert runs < 12
    assert runs > 1
    # Each backup's pass ended once before any began again: the older one is read first.
    assert installation.rows(PROOFS) == [[name, True] for name in with_backups]
    assert all(read_at for _, _, _, read_at in installation.rows(PROGRESS))
    assert sum(count for count, _ in installation.rows(RUNS)) >= objects_of(installation)

    pack = next((installation.repository).rglob(f"{with_backups[0]}/packs/00000001"))
    whole = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    found: list[dict[str, str]] = []
    for _ in range(runs + 1):
        found += scrub(installation, 0.3)["findings"]
    assert {each["object"].partition("/backups/")[2] for each in found} == {
        f"{with_backups[0]}/packs/00000001"
    }
    assert {each["problem"] for each in found} == {"its SHA-256 is not the sealed one"}
    state = f"Backup.objects.get(backup_id='{with_backups[0]}').state"
    assert installation.rows(state) == "damaged"
    ((_, subject, severity, open_state, detail),) = [
        alert for alert in installation.rows(OPEN) if alert[0] == "backup_damaged"
    ]
    assert (subject, severity, open_state) == (f"backup:{with_backups[0]}", "critical", "open")
    assert "packs/00000001: its SHA-256 is not the sealed one" in detail

    pack.write_bytes(whole)
    # The pass that met the damage may be under way still, and clears nothing: the next one is whole.
    for _ in range(2):
        assert scrub(installation, 1)["findings"] == []
    assert installation.rows(state) == "checked"
    assert [a[3] for a in installation.rows(OPEN) if a[0] == "backup_damaged"] == ["resolved"]
    assert sum(1 for _, damaged in installation.rows(RUNS) if damaged) == len(found) >= 1


def test_a_killed_run_goes_on_where_it_was(
    installation: Installation, with_backups: list[str], tmp_path: Path
) -> None:
    scrub(installation, 0.2)
    before = installation.rows(PROGRESS)
    note = tmp_path / "reached"
    installation.environment |= {"DIE_AT": "scrub.before_row", "DIE_NOTE": str(note)}
    installation.environment["DJANGO_SETTINGS_MODULE"] = "tests.catalog.dying_settings"
    process = installation.start("scrub", "local", "--share", "1", start_new_session=True)
    deadline = time.monotonic() + 60
    while not note.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    end_group(process)
    for name in ("DIE_AT", "DIE_NOTE", "DJANGO_SETTINGS_MODULE"):
        del installation.environment[name]
    assert installation.rows(PROGRESS)[0][1:] == before[0][1:], "what was not written down was not read"
    first = before[0][2]
    rest = scrub(installation, 1)
    assert rest["objects"] == objects_of(installation) - first
    assert rest["backups_finished"] == 2


def test_a_share_that_makes_no_sense_is_refused(installation: Installation) -> None:
    installation.add_repository()
    for share in ("0", "1.5", "-1", "nan"):
        ran = installation.run("scrub", "local", f"--share={share}", "--json")
        assert (ran.code, ran.error) == (1, "input.share")
