"""`manage.py jobs`: the newest jobs and whether anybody works."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from dataprotect.ops import selectors, states
from dataprotect.ops.management.answering import AnsweringCommand
from dataprotect.ops.models import Job


class Command(AnsweringCommand):
    help = "List the newest jobs and the health of the queue."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--state", choices=states.STATES, default="")
        parser.add_argument("--limit", type=int, default=20)

    def answer(self, **options: Any) -> dict[str, Any]:
        health = selectors.queue_health()
        newest = selectors.jobs(state=options["state"])[: max(1, options["limit"])]
        counts = {name: getattr(health, name) for name in ("alive", "workers", "running", "queued")}
        return {"queue": counts, "jobs": [_row(job) for job in newest]}

    def told(self, answer: dict[str, Any]) -> list[str]:
        queue = answer["queue"]
        alive = "Workers are alive" if queue["alive"] else "No worker has swept in the last minutes"
        head = f"{alive}: {queue['running']} running, {queue['queued']} queued."
        return [head, *(f"{job['id']}  {job['state']:<10} {job['title']}" for job in answer["jobs"])]


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "title": job.title,
        "state": job.state,
        "created_at": job.created_at,
        "error": job.error,
    }
