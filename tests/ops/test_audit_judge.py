"""A broken audit chain: an alert, and the emergency stop, which a later proof does not lift."""

from __future__ import annotations

import pytest

from dataprotect.ops.models import Alert, StopSwitch
from dataprotect.ops.services.audit_judge import audit_judge
from dataprotect.ops.services.audit_proof import Proof

pytestmark = pytest.mark.django_db


def test_a_broken_chain_raises_the_alert_and_the_stop() -> None:
    audit_judge(Proof(False, 7, 7, "0" * 64, broken_at=3, reason="its hash is another one"))
    assert Alert.objects.get(rule="audit_broken").state == "open"
    assert "broken at event 3" in StopSwitch.objects.get(active=True).reason
    audit_judge(Proof(True, 7, 7, "0" * 64))
    assert Alert.objects.get(rule="audit_broken").state == "resolved"
    assert StopSwitch.objects.filter(active=True).exists(), "a person lifts it"
