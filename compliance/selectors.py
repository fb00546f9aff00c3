"""Reading the audit chain, and what its latest proof said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet

from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import AuditEvent, AuditHead, Job

PROOF_TASK = "compliance.tasks.run_audit_proof"


@dataclass(frozen=True, slots=True)
class ChainState:
    """What is known about the whole chain. `proof` is the latest job that proved or refuted it, or None."""

    events: int
    head_hash: str
    proof: Job | None
    proved_at: datetime | None
    proved_events: int
    """How many events the latest passed proof covered; the ones after it are not proved yet."""

    @property
    def state(self) -> str:
        """`never`, `running`, `passed` or `failed`."""
        if self.proof is None:
            return "never"
        if not self.proof.is_terminal:
            return "running"
        return "passed" if self.proof.state == "succeeded" else "failed"

    @property
    def unproved(self) -> int:
        return max(0, self.events - self.proved_events)


def require_may_read(user: AbstractUser) -> None:
    """Raises ForeseenError `access.denied`."""
    if not user.has_perm("ops.view_auditevent"):
        raise ForeseenError(
            "access.denied", "You may not read the audit chain.", "Ask a DBA Lead for the right to do it."
        )


def audit_list(*, user: AbstractUser) -> QuerySet[AuditEvent]:
    """Newest first. Raises ForeseenError `access.denied`."""
    require_may_read(user)
    return AuditEvent.objects.all()


def audit_event(*, user: AbstractUser, sequence: int) -> AuditEvent:
    """Raises ForeseenError `access.denied`, `event.not_found`."""
    found = audit_list(user=user).filter(sequence=sequence).first()
    if found is None:
        raise ForeseenError("event.not_found", f"There is no audit event {sequence}.", "Check the number.")
    return found


def chain_state() -> ChainState:
    """Three queries, whatever the length of the chain: the head says how long it is."""
    head = AuditHead.objects.filter(pk=1).first() or AuditHead(pk=1)
    proofs = Job.objects.filter(task=PROOF_TASK).order_by("-created_at")
    newest = proofs.first()
    passed = (
        newest
        if newest is not None and newest.state == "succeeded"
        else proofs.filter(state="succeeded").first()
    )
    covered = (passed.result or {}).get("events", 0) if passed else 0
    return ChainState(head.sequence, head.hash, newest, passed.finished_at if passed else None, int(covered))
