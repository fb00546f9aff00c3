"""What the queue calls. Each is one door and decides nothing."""

from __future__ import annotations

from compliance.services.audit_check import audit_proof_run
from dataprotect.ops.context import JobContext


def run_audit_proof(context: JobContext) -> dict[str, object]:
    return audit_proof_run(reporter=context)
