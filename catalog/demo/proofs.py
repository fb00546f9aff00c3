"""Probe, backup, read-back, decoding, restore test: each a job that a worker does, each told with figures."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from catalog.demo.jobs import follow
from catalog.demo.registration import registrar
from catalog.demo.story import Story, amount, counted, tally
from catalog.models import Backup, Instance
from catalog.services.backup_start import backup_start
from catalog.services.instance_probe import instance_probe_start
from catalog.services.verification_start import verification_start
from catalog.states import VerificationLevel
from dataprotect.core.errors import ForeseenError

Check = Callable[[], None]
PAGE_SECONDS = 60.0


def wait_for_page(url: str, check: Check) -> float:
    """Seconds until the page answered 200. Raises `demo.page`, or what `check` raises."""
    began = time.monotonic()
    while time.monotonic() - began < PAGE_SECONDS:
        check()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own http address
                if answer.status == 200:
                    return time.monotonic() - began
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ForeseenError(
        "demo.page", f"{url} did not answer within {PAGE_SECONDS:.0f} s.", "Read logs/web.log in the home."
    )


def prove_everything(instance: Instance, story: Story, check: Check) -> dict[str, Any]:
    """`{"probe", "backup", "checksum", "decode", "restore"}` for the summary; raises at the first failure."""
    found: dict[str, Any] = {"probe": _probe(instance, story, check)}
    found["backup"] = result = _backup(instance, story, check)
    backup = Backup.objects.get(backup_id=result["backup_id"])
    found["checksum"] = _read_back(backup, story)
    for level in (VerificationLevel.DECODE, VerificationLevel.RESTORE):
        found[str(level)] = _verification(backup, level, story, check)
    backup.refresh_from_db()
    found["backup"]["state"] = backup.state
    story.fact("backup", f"{backup.backup_id} is now called {backup.get_state_display().lower()}")
    return found


def _probe(instance: Instance, story: Story, check: Check) -> dict[str, Any]:
    result = follow(instance_probe_start(actor=registrar(), instance=instance), story, check)
    encrypted = "encrypted" if result["encrypted"] else "not encrypted (loopback)"
    databases = counted(len(result["databases"]), "database")
    story.proof(f"the server answers: {result['version']}, {databases}, connection {encrypted}")
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
    story.proof(
        f"full backup {result['backup_id']}: {counted(result['files'], 'file')}, "
        f"{amount(result['bytes_read'])} read, {amount(result['bytes_stored'])} stored encrypted, "
        f"{result['seconds']:.1f} s ({amount(rate)}/s), {result['reader']} reader"
    )
    story.say(f"  from {result['start_position']} to {result['stop_position']} of the write-ahead log")
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
    """Raises `demo.not_proved` when a check did not pass; else says what was proved."""
    passed, failed, skipped = tally(result["checks"])
    if failed or not result["passed"]:
        _show_checks(story, result["checks"])
        raise ForeseenError(
            "demo.not_proved",
            f"The verification “{level.label}” found {counted(failed, 'check')} that did not pass.",
            "Read the checks above; the backup must not be relied upon.",
        )
    story.proof(f"{_SENTENCES[level]}: {counted(passed, 'check')} passed in {result['seconds']:.1f} s")
    if level == VerificationLevel.RESTORE:
        _show_checks(story, result["checks"])
        story.fact("  measured RTO", f"{result['rto_seconds']:.1f} s for {amount(backup.bytes_read)}")
    return result | {"counts": {"passed": passed, "failed": failed, "not_applicable": skipped}}


_SENTENCES = {
    VerificationLevel.CHECKSUM: "read back from the repository, every SHA-256 equal",
    VerificationLevel.DECODE: "every frame decrypted, decompressed and compared, every file whole",
    VerificationLevel.RESTORE: "brought up as an isolated clone and compared with the source",
}


def _show_checks(story: Story, checks: Iterable[Mapping[str, Any]]) -> None:
    words = {True: "ok", False: "FAILED", None: "n/a"}
    for each in checks:
        detail = each["found"] if each["passed"] or each["passed"] is None else _difference(each)
        story.say(f"    {words[each['passed']]:7}{each['name']}: {_short(detail)}".rstrip(": "))


def _difference(check: Mapping[str, Any]) -> str:
    return f"expected {check['expected']}, found {check['found']}"


def _short(text: str, limit: int = 90) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
