"""Probe, full backup, read-back, decoding, restore test: jobs of the workers, each told with figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from catalog.models import Backup, Instance
from catalog.services.backup_start import backup_start
from catalog.services.instance_probe import instance_probe_start
from catalog.services.verification_start import verification_start
from catalog.states import VerificationLevel
from dataprotect.core.errors import ForeseenError
from dataprotect.core.wording import counted
from restores.demo import evidence
from restores.demo.jobs import follow
from restores.demo.registration import registrar
from restores.demo.scene import Scene
from restores.demo.story import Story, amount, tally, took

Check = Callable[[], None]
TITLE = "A full backup, proved by the workers through the queue"


def run(scene: Scene) -> dict[str, Any]:
    """`{"probe", "backup", "checksum", "decode", "restore"}`; raises at the first failure."""
    instance, story, check = scene.instance, scene.story, scene.check
    found: dict[str, Any] = {"probe": _probe(instance, story, check)}
    found["backup"] = result = _backup(instance, story, check)
    backup = Backup.objects.get(backup_id=result["backup_id"])
    found["checksum"] = _read_back(backup, story)
    for level in (VerificationLevel.DECODE, VerificationLevel.RESTORE):
        found[str(level)] = _verification(backup, level, story, check)
    backup.refresh_from_db()
    found["backup"]["state"] = backup.state
    story.say(f"The backup has earned the word “{backup.get_state_display().lower()}”.")
    return found


def _probe(instance: Instance, story: Story, check: Check) -> dict[str, Any]:
    result = follow(instance_probe_start(actor=registrar(), instance=instance), story, check)
    encrypted = "encrypted" if result["encrypted"] else "not encrypted (loopback)"
    databases = counted(len(result["databases"]), "database")
    story.proof(f"the server answers: PostgreSQL {result['version']}")
    story.say(f"  {databases}, {amount(result['size_bytes'])}, connection {encrypted}")
    for warning in result["warnings"]:
        story.say(f"  note: {warning}")
    return {
        "version": result["version"],
        "databases": len(result["databases"]),
        "warnings": result["warnings"],
    }


def _backup(instance: Instance, story: Story, check: Check) -> dict[str, Any]:
    result = follow(backup_start(actor=registrar(), instance=instance), story, check)
    rate = result["bytes_read"] / max(result["seconds"], 0.001)
    story.proof(f"full backup {result['backup_id']} in {took(result['seconds'])}")
    story.say(
        f"  {counted(result['files'], 'file')}, {amount(result['bytes_read'])} read at {amount(rate)}/s, "
        f"{amount(result['bytes_stored'])} stored encrypted"
    )
    span = f"{result['start_position']} to {result['stop_position']}"
    story.say(f"  {result['reader']} reader, write-ahead log {span} included")
    for warning in result["warnings"]:
        story.say(f"  note: {warning}")
    return result


def _read_back(backup: Backup, story: Story) -> dict[str, Any]:
    """The backup's own job did it: nothing is called checked before it was read back."""
    row = backup.verifications.filter(level=VerificationLevel.CHECKSUM).latest("finished_at")
    result = {"passed": row.passed, "checks": row.checks, "seconds": round(row.seconds, 3)}
    return _told(backup, VerificationLevel.CHECKSUM, result, story)


def _verification(backup: Backup, level: VerificationLevel, story: Story, check: Check) -> dict[str, Any]:
    result = follow(verification_start(actor=registrar(), backup=backup, level=level), story, check)
    return _told(backup, level, result, story)


def _told(backup: Backup, level: VerificationLevel, result: dict[str, Any], story: Story) -> dict[str, Any]:
    """Raises `demo.not_proved` when a check did not pass; else says what was proved, and sums it up."""
    checks = result.pop("checks")
    passed, failed, skipped = tally(checks)
    if failed or not result["passed"]:
        evidence.tell_failures(story, checks)
        raise ForeseenError(
            "demo.not_proved",
            f"The verification “{level.label}” found {counted(failed, 'check')} that did not pass.",
            "Read the checks above; the backup must not be relied upon.",
        )
    story.proof(f"{_SENTENCES[level]}: {counted(passed, 'check')} passed in {took(result['seconds'])}")
    evidence.tell(story, checks)
    if result.get("rto_seconds"):
        rto, size = took(result["rto_seconds"]), amount(backup.bytes_read)
        story.say(f"  measured time to recover: {rto} for {size}, with a comparison of every table")
    counts = {"passed": passed, "failed": failed, "not_applicable": skipped}
    return result | {"counts": counts, "rows_compared": evidence.rows_compared(checks)}


_SENTENCES = {
    VerificationLevel.CHECKSUM: "read back from the repository, every SHA-256 equal",
    VerificationLevel.DECODE: "every frame decrypted, decompressed and compared, every file whole",
    VerificationLevel.RESTORE: "brought up as an isolated clone and compared with the source",
}
