"""The texts that tell a restored PostgreSQL how to recover and what it must not do. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.timeline_model import Choice

NO_ARCHIVE = "/bin/false"
"""As restore_command: nothing is fetched; the log stored with the backup lies in pg_wal already."""


@dataclass(frozen=True, slots=True)
class RecoveryTarget:
    """Where recovery ends: right before the LSN `position`, behind the last transaction that committed up to
    the instant `at` (a commit at that very instant is in), at the restore point `name`, else at the end of
    the log. `timeline` is the one to follow; `current` is that of the backup.
    """

    position: str | None = None
    restore_command: str = NO_ARCHIVE
    at: datetime | None = None
    name: str = ""
    timeline: str = "current"

    def settings(self) -> dict[str, str]:
        """Settings that go with a recovery.signal. Every other kind of target is taken back, and before the
        one that is meant: the server refuses to take back one kind once another is set.
        """
        targets = {
            "recovery_target": "",
            "recovery_target_name": self.name,
            "recovery_target_time": _instant(self.at),
            "recovery_target_xid": "",
            "recovery_target_lsn": self.position or "",
        }
        return {
            "restore_command": self.restore_command,
            **{name: value for name, value in targets.items() if not value},
            **{name: value for name, value in targets.items() if value},
            "recovery_target_inclusive": "on" if self.at is not None else "off",
            "recovery_target_timeline": self.timeline,
            "recovery_target_action": "promote",
            "recovery_end_command": "",
            "archive_cleanup_command": "",
        }


END_OF_LOG = RecoveryTarget()


def chosen(choice: Choice, restore_command: str = NO_ARCHIVE) -> RecoveryTarget:
    """The settings of a recovery to what was chosen."""
    target = choice.target
    exact = target.position is not None and not choice.ends_log
    return RecoveryTarget(
        position=lsn.text(target.position) if exact and target.position is not None else None,
        restore_command=restore_command,
        at=target.at,
        name=target.name,
        timeline=str(choice.line.timeline),
    )


def _instant(at: datetime | None) -> str:
    """In UTC, with its zone, whatever the server's own zone is."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


FENCE: Mapping[str, str] = {
    "archive_mode": "off",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "max_logical_replication_workers": "0",
}
"""A restored copy must not archive into its source's archive, follow its primary or use up its
subscriptions.
"""

_FENCE_NOTE = """
# Added by DataProtect when this folder was restored. This copy is fenced: it does not archive, follow a
# primary or run subscriptions, because it may stand beside its source. When it takes over for good, take
# the fence away (ALTER SYSTEM RESET archive_mode; primary_conninfo; primary_slot_name;
# max_logical_replication_workers), restart it, and take a new backup.
"""
_RECOVERY_NOTE = "# How it was recovered; has no effect afterwards.\n"

_ELSEWHERE = re.compile(
    r"^\s*(data_directory|hba_file|ident_file|external_pid_file)\s*=?\s*\S", re.MULTILINE | re.IGNORECASE
)
_INCLUDES = re.compile(r"^\s*include(_if_exists|_dir)?\s*=?\s*\S", re.MULTILINE | re.IGNORECASE)
_REDIRECT_NOTE = """
# Added by DataProtect when this folder was restored: these settings led, or could lead, back to the
# files of the source.
"""


def setting(name: str, value: str) -> str:
    """One line of a configuration file, quoted as the server reads it."""
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{quoted}'\n"


def lines(settings: Mapping[str, str]) -> str:
    return "".join(setting(name, value) for name, value in settings.items())


def fenced_auto_conf(original: str, target: RecoveryTarget) -> str:
    """The restored postgresql.auto.conf: the source's, then the fence and the recovery (the last line
    wins).
    """
    kept = original if not original or original.endswith("\n") else original + "\n"
    return kept + _FENCE_NOTE + lines(FENCE) + _RECOVERY_NOTE + lines(target.settings())


def redirected_conf(original: str, data_directory: str) -> str | None:
    """postgresql.conf with lines that lead to the restored files; None when it leads nowhere else."""
    found = {match.lower() for match in _ELSEWHERE.findall(original)}
    included = _INCLUDES.search(original) is not None  # a file nobody has looked into may set any of them
    if not found and not included:
        return None
    here = {
        "data_directory": data_directory,
        "hba_file": f"{data_directory}/pg_hba.conf",
        "ident_file": f"{data_directory}/pg_ident.conf",
        "external_pid_file": "",
    }
    kept = original if original.endswith("\n") else original + "\n"
    return kept + _REDIRECT_NOTE + lines({name: here[name] for name in here if included or name in found})


def minimal_conf(settings: Mapping[str, str]) -> str:
    """A postgresql.conf for a data directory that never had one (Debian keeps it in /etc)."""
    return (
        "# Written by DataProtect: the source kept its configuration outside the data directory.\n"
        "# Its own files, where the backup has them, are in dataprotect-config/.\n" + lines(settings)
    )


MINIMAL_HBA = """\
# Written by DataProtect: the source kept its pg_hba.conf outside the data directory.
local   all   all                  peer
host    all   all   127.0.0.1/32   scram-sha-256
host    all   all   ::1/128        scram-sha-256
"""


def tablespace_map(places: Mapping[int, str]) -> bytes:
    """The file from which the server makes the links in pg_tblspc when it finds a backup_label."""
    text = ""
    for oid, place in sorted(places.items()):
        escaped = re.sub(r"([\\\n\r])", r"\\\1", place)
        text += f"{oid} {escaped}\n"
    return text.encode()


def parse_tablespace_map(data: bytes) -> dict[int, str]:
    """Place by oid, as the source's `tablespace_map` has it."""
    found = re.findall(
        r"^(\d+) ((?:\\.|[^\\\n])*)$", data.decode(errors="surrogateescape"), re.MULTILINE | re.DOTALL
    )
    return {int(oid): re.sub(r"\\(.)", r"\1", place, flags=re.DOTALL) for oid, place in found}
