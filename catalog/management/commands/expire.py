"""`manage.py expire`: mark what is no longer kept, delete what was marked long enough."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from catalog.management.foreground import JobCommand
from catalog.models import Repository
from catalog.selectors import expiry_list, repository_get, repository_list, retention_simulations
from catalog.services import expiry_start
from dataprotect.core import clock


class Command(JobCommand):
    help = "Run the expiry of every repository, or of one. Nothing goes before its grace time is over."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--repository", metavar="NAME", help="only this one")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    def answer(self, **options: Any) -> dict[str, Any]:
        name = options["repository"]
        rows = [repository_get(user=self.actor, name=name)] if name else repository_list(user=self.actor)
        if options["dry_run"]:
            return {"dry_run": True, "runs": [self._would(row) for row in rows]}
        return {"dry_run": False, "runs": [self._run(row) for row in rows]}

    def told(self, answer: dict[str, Any]) -> list[str]:
        would = "would be " if answer["dry_run"] else ""
        lines = []
        for run in answer["runs"]:
            lines.append(f"{run['repository']}:")
            lines += [f"  {would}marked: {backup_id}" for backup_id in run["placed"]]
            lines += [f"  {would}spared: {backup_id}" for backup_id in run["spared"]]
            lines += [f"  {would}deleted: {backup_id}" for backup_id in run["deleted"]]
            if run["log_objects"]:
                lines.append(f"  deleted: {run['log_objects']} objects of log, {run['log_bytes']} bytes")
        return lines or ["There is no repository."]

    def _run(self, row: Repository) -> dict[str, Any]:
        done: dict[str, Any] = self.run(lambda: expiry_start(actor=self.actor, repository=row))
        return done

    def _would(self, row: Repository) -> dict[str, Any]:
        """By the decision alone; the log is looked at only by a real run."""
        items = [
            item
            for simulation in retention_simulations(user=self.actor)
            for item in simulation.backups
            if item.backup.repository_id == row.pk
        ]
        keep = {item.backup.pk for item in items if item.keep}
        due = expiry_list(user=self.actor, active=True).filter(
            delete_after__lte=clock.now(), backup__repository=row
        )
        return {
            "repository": row.name,
            "placed": [i.backup.backup_id for i in items if not i.keep and not i.is_expiring],
            "spared": [i.backup.backup_id for i in items if i.keep and i.is_expiring],
            "deleted": [expiry.backup.backup_id for expiry in due if expiry.backup_id not in keep],
            "log_objects": 0,
            "log_bytes": 0,
        }
