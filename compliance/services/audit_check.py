"""Proving the audit chain as a job, because a long chain takes longer than a page may."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib.auth.models import AbstractUser

from compliance.selectors import PROOF_TASK, require_may_read
from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.ops import queue
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit_judge import audit_judge
from dataprotect.ops.services.audit_proof import audit_prove


def audit_proof_start(*, actor: AbstractUser) -> Job:
    """Queue a proof of the whole chain. Raises `access.denied`, `job.busy` while one is under way."""
    require_may_read(actor)
    return queue.enqueue(
        PROOF_TASK, actor=actor, title="Prove the audit chain", exclusive="audit-proof", wait=False
    )


def audit_proof_run(*, reporter: Reporter) -> dict[str, object]:
    """The proof as plain data. Raises ForeseenError `audit.broken` naming the first wrong link."""
    reporter.phase("prove the chain")
    proof = audit_prove()
    audit_judge(proof)
    if not proof.passed:
        raise ForeseenError(
            "audit.broken",
            f"The audit chain is broken at event {proof.broken_at}: {proof.reason}.",
            "Keep the database as it is, and find out who changed it; backups of it hold the older chain.",
        )
    reporter.note(f"{proof.events} events, head {proof.head_hash}")
    return asdict(proof)
