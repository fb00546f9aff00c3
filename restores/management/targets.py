"""The options that say which backup, or which instant of which instance, is wanted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.models import Backup, Instance
from catalog.selectors import backup_get, instance_get
from dataprotect.core import clock, validation
from dataprotect.core.errors import InvalidInput
from dataprotect.engine.recovery_target import parse_target
from dataprotect.engine.timeline_model import Target


def add_target_arguments(parser: CommandParser) -> None:
    """BACKUP_ID or --instance NAME, and a target; with an instance the best backup is chosen."""
    parser.add_argument("backup_id", nargs="?", metavar="BACKUP_ID")
    parser.add_argument("--instance", metavar="NAME", help="choose the best backup of this instance")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target-time", metavar="T", help="an instant with its zone: 2026-11-22T15:07:58Z")
    target.add_argument("--target-lsn", metavar="LSN", help="everything before this position of the log")
    target.add_argument("--target-name", metavar="NAME", help="a restore point made on the server")
    target.add_argument("--latest", action="store_true", help="the end of the stored log")


def read_target(actor: str, options: dict[str, Any]) -> tuple[Backup | None, Instance, Target | None]:
    """Raises InvalidInput unless it is a backup, or an instance with a target."""
    backup_id, name = options["backup_id"], options["instance"]
    target = parse_target(
        time=options["target_time"], lsn_text=options["target_lsn"], name=options["target_name"],
        latest=options["latest"], now=clock.now(),
    )  # fmt: skip
    if (backup_id is None) == (name is None):
        raise InvalidInput("backup_id", "Expected either a backup id or --instance NAME.")
    if backup_id is not None:
        backup = backup_get(user=actor, backup_id=validation.backup_id(backup_id))
        return backup, backup.instance, target
    if target is None:
        raise InvalidInput("target", "Expected a target with --instance, such as --latest.")
    return None, instance_get(user=actor, name=validation.instance_name(name)), target
