"""`manage.py audit_retention`: look at the retention of every instance now, and keep the report."""

from __future__ import annotations

from typing import Any

from catalog.management.foreground import JobCommand
from catalog.models import RetentionAudit
from catalog.services.retention_audit import retention_audit_start


class Command(JobCommand):
    help = "Audit retention now, as the policies' schedule does once a month; exceptions are told by name."

    def answer(self, **options: Any) -> dict[str, Any]:
        done: dict[str, Any] = self.run(lambda: retention_audit_start(actor=self.actor))
        report = RetentionAudit.objects.get(pk=done["audit"]).report
        return {"audit": done["audit"], "sha256": done["sha256"], **report}

    def told(self, answer: dict[str, Any]) -> list[str]:
        lines = [f"{each['instance']}: {each['sentence']}" for each in answer["exceptions"]]
        totals = answer["totals"]
        return [
            *(lines or ["No exception."]),
            f"Looked at {totals['instances']} instances and {totals['backups']} backups:"
            f" {totals['kept']} stay, {totals['deleted']} went since {answer['period_from']}.",
            f"SHA-256 of the report: {answer['sha256']}.",
        ]
