"""`manage.py cancel_job JOB`: a queued job at once, a running one at its next safe point."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from dataprotect.core.errors import InvalidInput
from dataprotect.ops.management.answering import AnsweringCommand, person
from dataprotect.ops.services.jobs import job_cancel


class Command(AnsweringCommand):
    help = "Cancel a job by its full id."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("job")

    def answer(self, **options: Any) -> dict[str, Any]:
        try:
            job_id = UUID(options["job"])
        except ValueError:
            raise InvalidInput("job", "Expected the full id of a job, as the Jobs page shows it.") from None
        cancelled = job_cancel(job_id=job_id, actor=person())
        return {"job": str(job_id), "state": cancelled.state}
