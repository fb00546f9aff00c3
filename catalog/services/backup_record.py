"""Rows from what the engine answered, and rows from what a seal says. Nothing is saved here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.models import Backup, Instance
from catalog.states import BackupState, BackupType
from dataprotect.core import clock
from dataprotect.engine.model import BackupResult
from dataprotect.storage.repository import Seal


def backup_from_result(instance: Instance, result: BackupResult, seal: Seal) -> Backup:
    """A row in state `stored` for what `take_backup` has just sealed."""
    row = _from_seal(instance, seal)
    row.reader_reason = result.reader_reason[:500]
    row.seconds, row.peak_memory = result.seconds, result.peak_memory
    row.bad_pages, row.warnings = list(result.bad_pages), list(result.warnings)
    return row


def backup_from_repository(instance: Instance, seal: Seal, findings: Mapping[str, Any]) -> Backup:
    """A row in state `stored` for a sealed backup found in a repository: nothing was proved about it here.

    `findings` is the attachment of that name; the time it took and the memory are not kept in repositories.
    """
    row = _from_seal(instance, seal)
    row.bad_pages = [str(page) for page in findings.get("bad_pages", [])]
    row.warnings = [str(warning) for warning in findings.get("warnings", [])]
    row.rebuilt_at = clock.now()
    return row


def seal_parents(backup: Backup, seal: Seal) -> None:
    """Link the row to the backups whose packs it needs, as far as the catalog knows them."""
    backup.parents.set(Backup.objects.filter(instance=backup.instance, backup_id__in=seal.parents))


def _from_seal(instance: Instance, seal: Seal) -> Backup:
    """Both ways of making a row go through here, so that a rebuilt catalog says the same."""
    facts = seal.facts
    return Backup(
        backup_id=seal.backup_id,
        instance=instance,
        repository=instance.repository,
        type=BackupType(seal.type),
        state=BackupState.STORED,
        state_changed_at=clock.now(),
        reader=str(facts.get("reader", "")),
        started_at=seal.started_at,
        stopped_at=_instant(facts, "stopped_at", seal),
        seconds=max(0.0, (seal.finished_at - seal.started_at).total_seconds()),
        start_position=str(facts.get("start_position", "")),
        stop_position=str(facts.get("stop_position", "")),
        fingerprint_position=str(facts.get("fingerprint_position", "")),
        timeline=int(facts.get("timeline", 1)),
        system_identifier=str(facts.get("system_identifier", "")),
        server_version=str(facts.get("server_version", ""))[:120],
        files=int(facts.get("files", seal.totals.files)),
        bytes_read=int(facts.get("bytes_read", seal.totals.bytes)),
        bytes_stored=seal.stored_bytes,
        object_count=len(seal.objects) + 1,
        data_key_id=seal.data_key_id,
    )


def _instant(facts: Mapping[str, Any], name: str, seal: Seal) -> Any:
    return clock.parse_iso(facts[name]) if name in facts else seal.finished_at
