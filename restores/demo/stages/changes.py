"""While somebody works: a differential and an incremental, each holding only the pages that changed."""

from __future__ import annotations

from typing import Any

from catalog.services.backup_start import backup_start
from catalog.states import BackupType
from dataprotect.core.errors import ForeseenError
from dataprotect.core.wording import counted
from restores.demo.jobs import follow
from restores.demo.load import BENCH_PER_SECOND, PAYMENTS_PER_SECOND
from restores.demo.registration import registrar
from restores.demo.scene import Scene
from restores.demo.story import amount, took
from restores.demo.waiting import wait_until

TITLE = "Only what changed, under load"
ROWS_BETWEEN = 400


def run(scene: Scene) -> dict[str, Any]:
    story = scene.story
    first = scene.load.written()
    scene.load.start()
    story.say(
        f"Load runs: {BENCH_PER_SECOND} transactions a second in pgbench's tables, "
        f"{PAYMENTS_PER_SECOND} payments a second in the shop."
    )
    found = {str(kind): _backup(scene, kind) for kind in (BackupType.DIFFERENTIAL, BackupType.INCREMENTAL)}
    rows = scene.load.written() - first
    story.say(f"{counted(rows, 'row')} were written meanwhile, and nobody waited for a backup.")
    return {"load": {"rows_written": rows}, **found}


def _backup(scene: Scene, kind: BackupType) -> dict[str, Any]:
    """Raises `demo.not_proved` when it became a full: nothing here is a reason for that."""
    story, enough = scene.story, scene.load.written() + ROWS_BETWEEN
    wait_until(scene, "Some changes", lambda: scene.load.written() >= enough)
    result = follow(backup_start(actor=registrar(), instance=scene.instance, type=kind), story, scene.check)
    if result["type"] != kind:
        raise ForeseenError(
            "demo.not_proved", f"The {kind.label.lower()} became a {result['type']}: {result['type_reason']}",
            "Read logs/workers.log in the home folder.",
        )  # fmt: skip
    whole = scene.summary["backup"]["bytes_stored"]
    story.proof(f"{kind.label.lower()} {result['backup_id']} in {took(result['seconds'])}, read back")
    story.say(
        f"  {amount(result['bytes_stored'])} stored, {result['bytes_stored'] / whole:.0%} of the full, "
        f"on {result['base_id']}"
    )
    return result
