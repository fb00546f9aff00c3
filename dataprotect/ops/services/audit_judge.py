"""A proof of the audit chain, judged where it happens."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from dataprotect.ops.alert_states import Severity
from dataprotect.ops.services.alert_raise import alert_raise
from dataprotect.ops.services.alert_resolve import alert_resolve
from dataprotect.ops.services.audit_proof import Proof
from dataprotect.ops.services.stop import stop_raise

KEY = "audit_broken"
log = logging.getLogger(__name__)


def audit_judge(proof: Proof) -> None:
    """Raise or end the alert, and raise the emergency stop when the chain is broken; call it after every
    proof of the whole chain. The stop stays when a later proof passes: a person lifts it.

    A chain may be too broken to take the event of its own alert: then the log has it, the proof fails anyway.
    """
    try:
        alert_resolve(KEY, reason="The whole chain was proved.") if proof.passed else _raise(proof)
    except DatabaseError:
        log.critical("no alert could be written about the audit chain", exc_info=True)


def _raise(proof: Proof) -> None:
    alert_raise(
        rule="audit_broken",
        severity=Severity.CRITICAL,
        title="The audit chain is broken.",
        detail=f"At event {proof.broken_at}: {proof.reason}. Keep the database as it is, and find out who "
        "changed it; backups of it hold the older chain.",
        dedupe_key=KEY,
        link="/audit/",
    )
    stop_raise(actor="system", reason=f"The audit chain is broken at event {proof.broken_at}.")
