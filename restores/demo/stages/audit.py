"""The chain of everything that happened in this home, from the first event on."""

from __future__ import annotations

from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.core.wording import counted
from dataprotect.ops.services.audit_proof import audit_prove
from restores.demo.scene import Scene

TITLE = "Every step on the record"


def run(scene: Scene) -> dict[str, Any]:
    proof = audit_prove()
    if not proof.passed:
        raise ForeseenError(
            "demo.audit",
            f"The audit chain is broken at event {proof.broken_at}: {proof.reason}.",
            "Run: manage.py verify_audit",
        )
    scene.story.proof(f"the audit chain is whole: {counted(proof.events, 'event')}, each sealed by the next")
    return {"audit": {"passed": True, "events": proof.events}}
