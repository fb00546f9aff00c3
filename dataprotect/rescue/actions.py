"""What the rescue does. Each action returns the JSON object that the command of the same purpose prints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Verification, as_plain
from dataprotect.engine.restore import RestoreRequest, restore_files
from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_show import shown_choice, shown_gap, shown_window
from dataprotect.engine.verify import Level, verify
from dataprotect.rescue import targets
from dataprotect.rescue.arguments import Arguments
from dataprotect.rescue.reporting import Terminal
from dataprotect.storage.keys.local import LocalKeyring
from dataprotect.storage.model import Finding
from dataprotect.storage.repository import Repository
from dataprotect.storage.seal import Seal


def list_backups(arguments: Arguments, _: Terminal) -> dict[str, Any]:
    """Every sealed backup, oldest first, and the seals that cannot be read."""
    damaged: list[Finding] = []
    seals = list(_open(arguments).seals(arguments.instance, damaged))
    seals.sort(key=lambda seal: seal.started_at)
    return {"backups": [_described(seal) for seal in seals], "damaged": [str(each) for each in damaged]}


def verify_backup(arguments: Arguments, terminal: Terminal) -> dict[str, Any]:
    repository = _open(arguments)
    instance = _instance_of(repository, arguments)
    if arguments.level != "restore":
        return _verified(arguments, repository, instance, terminal, None)
    terminal.checkpoint()
    if arguments.clones is not None:
        return _verified(arguments, repository, instance, terminal, arguments.clones)
    with tempfile.TemporaryDirectory(prefix="dataprotect-rescue-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)  # the server's own user has to walk through it
        return _verified(arguments, repository, instance, terminal, Path(folder))


def list_windows(arguments: Arguments, terminal: Terminal) -> dict[str, Any]:
    """By instance, from the repository alone: every sealed backup counts as a base."""
    repository = _open(arguments)
    wanted = [arguments.instance] if arguments.instance else repository.instances()
    return {"instances": [_windows(repository, instance, terminal) for instance in wanted]}


def restore_backup(arguments: Arguments, terminal: Terminal) -> dict[str, Any]:
    terminal.checkpoint()
    repository = _open(arguments)
    instance, choice = targets.chosen(arguments, repository, lambda: _instance_of(repository, arguments))
    request = RestoreRequest(
        instance_id=instance,
        backup_id=choice.base.backup_id if choice else arguments.backup_id,
        choice=choice,
        target=arguments.to,
        tablespace_map=arguments.tablespaces,
        owner=arguments.user,
        threads=arguments.threads,
    )
    result = restore_files(repository, request, terminal)
    return {
        "backup_id": result.backup_id,
        **({"recovery": shown_choice(choice)} if choice else {}),
        "data_directory": str(result.target),
        "tablespaces": dict(result.tablespaces),
        "files": result.files,
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "server_major": result.server_major,
        "notes": list(result.notes),
    }


def did_not_pass(arguments: Arguments, answer: dict[str, Any]) -> ForeseenError:
    bad = [check["name"] for check in answer["checks"] if check["passed"] is False]
    return ForeseenError(
        "backup.damaged",
        f"The backup {arguments.backup_id} did not pass: {', '.join(bad)[:300]}.",
        "Do not rely on it: verify the other backups, and restore one that passes.",
    )


def _windows(repository: Repository, instance: str, terminal: Terminal) -> dict[str, Any]:
    stored = StoredTimeline(repository, instance)
    found = recovery_windows(stored.sample())
    for note in stored.notes:
        terminal.note(note)
    return {
        "instance_id": instance,
        "windows": [shown_window(window) for window in found.windows],
        "gaps": [shown_gap(gap) for gap in found.gaps],
    }


def _open(arguments: Arguments) -> Repository:
    return Repository.open(arguments.repository, LocalKeyring.load(arguments.key_file))


def _instance_of(repository: Repository, arguments: Arguments) -> str:
    """Whose backup it is: backup ids say it nearly always; `--instance` settles the rest."""
    if arguments.instance is not None:
        return arguments.instance
    found = []
    for instance in repository.instances():
        try:
            repository.seal(instance, arguments.backup_id)
            found.append(instance)
        except ForeseenError as error:
            if error.code != "backup.missing":
                found.append(instance)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ForeseenError(
            "backup.missing",
            f"The repository has no sealed backup {arguments.backup_id}.",
            "List the backups of the repository and choose one of them.",
        )
    raise ForeseenError(
        "backup.ambiguous",
        f"Several instances have a backup {arguments.backup_id}: {', '.join(found)}.",
        "Name the one you mean with --instance.",
    )


def _verified(
    arguments: Arguments, repository: Repository, instance: str, terminal: Terminal, clones: Path | None
) -> dict[str, Any]:
    outcome: Verification = verify(
        cast(Level, arguments.level), repository, instance, arguments.backup_id,
        reporter=terminal, clones=clones, clone_user=arguments.user, binaries=arguments.binaries,
        threads=arguments.threads,
    )  # fmt: skip
    return {
        "passed": outcome.passed,
        "level": outcome.level,
        "checks": [as_plain(check) for check in outcome.checks],
        "seconds": round(outcome.seconds, 3),
        "rto_seconds": None if outcome.rto_seconds is None else round(outcome.rto_seconds, 3),
    }


def _described(seal: Seal) -> dict[str, Any]:
    return {
        "backup_id": seal.backup_id,
        "instance_id": seal.instance_id,
        "type": seal.type,
        "started_at": clock.iso(seal.started_at),
        "finished_at": clock.iso(seal.finished_at),
        "server_version": str(seal.facts.get("server_version", "?")),
        "system_identifier": str(seal.facts.get("system_identifier", "")),
        "files": seal.totals.files,
        "bytes": seal.totals.bytes,
        "bytes_stored": seal.stored_bytes,
    }
