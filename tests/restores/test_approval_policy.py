"""Another approval policy counts when those have signed it who sign a full system."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog import roles
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import AuditEvent
from restores.models import ApprovalPolicy
from restores.selectors.approvals import policy_active, rows_of
from restores.services.approval_policy_decide import (
    approval_policy_reject,
    approval_policy_sign,
    proposals_lapse,
)
from restores.services.approval_policy_propose import approval_policy_propose
from tests.people import prove

pytestmark = pytest.mark.django_db
Person = Callable[..., User]


def rows(limit: int = 2) -> list[dict[str, Any]]:
    found = [row.plain() for row in rows_of(policy_active())]
    found[2]["databases"] = limit
    return found


def propose(actor: User, given: list[dict[str, Any]] | None = None, hours: int = 12) -> ApprovalPolicy:
    return approval_policy_propose(
        actor=actor, rows=rows() if given is None else given, approval_hours=hours, execution_hours=4,
        reason="Three are too many.", fresh_at=clock.now(),
    )  # fmt: skip


def sign(made: ApprovalPolicy, who: User, role: str, shown: str = "") -> ApprovalPolicy:
    return approval_policy_sign(
        actor=who, policy=made, rows_hash=shown or made.rows_hash, role=role, fresh_at=clock.now()
    )


def refused(code: str, action: Callable[[], Any]) -> None:
    with pytest.raises(ForeseenError) as error:
        action()
    assert error.value.code == code, error.value.message


def test_it_is_in_force_after_both_signatures(person: Person) -> None:
    lead, other = person("lead", roles.DBA_LEAD), person("other", roles.DBA_LEAD)
    vp = person("vp", roles.VP_ENGINEERING)
    made = propose(lead)
    assert policy_active().version == 1
    refused("approval.own", lambda: sign(made, lead, roles.DBA_LEAD))
    refused("approval.role", lambda: sign(made, vp, roles.DBA_LEAD))
    refused("approval.plan_changed", lambda: sign(made, vp, roles.VP_ENGINEERING, shown="0" * 64))
    assert sign(made, vp, roles.VP_ENGINEERING).state == "proposed"
    refused("approval.twice", lambda: sign(made, vp, roles.VP_ENGINEERING))
    assert sign(made, other, roles.DBA_LEAD).state == "active"
    assert policy_active().version == 2 and rows_of(policy_active())[2].databases == 2
    assert ApprovalPolicy.objects.get(version=1).state == "retired"


def test_what_somebody_signed_who_was_switched_off_puts_nothing_in_force(person: Person) -> None:
    other, vp = person("other", roles.DBA_LEAD), person("vp", roles.VP_ENGINEERING)
    made = sign(propose(person("lead", roles.DBA_LEAD)), vp, roles.VP_ENGINEERING)
    User.objects.filter(pk=vp.pk).update(is_active=False)
    refused("approval.missing", lambda: sign(made, other, roles.DBA_LEAD))
    User.objects.filter(pk=vp.pk).update(is_active=True)
    vp.groups.clear()
    refused("approval.missing", lambda: sign(made, other, roles.DBA_LEAD))
    assert policy_active().version == 1


def test_one_rejection_ends_it_and_a_newer_proposal_takes_its_place(person: Person) -> None:
    lead, vp = person("lead", roles.DBA_LEAD), person("vp", roles.VP_ENGINEERING)
    first, second = propose(lead), propose(lead, rows(1))
    refused("approval.not_open", lambda: sign(first, vp, roles.VP_ENGINEERING))
    ended = approval_policy_reject(
        actor=vp, policy=second, rows_hash=second.rows_hash, role=roles.VP_ENGINEERING, reason="No.",
        fresh_at=clock.now(),
    )  # fmt: skip
    assert ended.state == "rejected" and policy_active().version == 1


def test_a_proposal_nobody_signed_in_time_lapses(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    made, vp = propose(person("lead", roles.DBA_LEAD)), person("vp", roles.VP_ENGINEERING)
    assert proposals_lapse() == 0
    late = clock.now() + timedelta(hours=policy_active().approval_hours)
    monkeypatch.setattr(clock, "now", lambda: late)
    refused("approval.expired", lambda: sign(made, vp, roles.VP_ENGINEERING))
    assert (proposals_lapse(), proposals_lapse()) == (1, 0)
    made.refresh_from_db()
    assert made.state == "retired" and AuditEvent.objects.filter(verb="approval_policy.lapsed").count() == 1


def test_what_makes_no_sense_is_refused_in_words(person: Person) -> None:
    lead = person("lead", roles.DBA_LEAD)
    refused("access.denied", lambda: propose(person("dba", roles.DBA)))
    refused("input.rows", lambda: propose(lead, rows()[:3]))
    nobody = rows()
    nobody[1]["roles"] = []
    refused("input.rows", lambda: propose(lead, nobody))
    unknown = rows()
    unknown[1]["roles"] = ["Break-glass"]
    refused("input.rows", lambda: propose(lead, unknown))
    bounded = rows()
    bounded[3]["databases"] = 9
    refused("input.rows", lambda: propose(lead, bounded))
    refused("input.approval_hours", lambda: propose(lead, hours=0))


def test_on_the_page_a_lead_proposes_and_another_one_signs(person: Person, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    lead, vp = person("lead", roles.DBA_LEAD), person("vp", roles.VP_ENGINEERING)
    sent = {
        "reason": "Smaller steps.", "approval_hours": 8, "execution_hours": 2, "database_databases": 1,
        "database_gb": 100, "database_roles": [roles.DBA], "databases_databases": 2, "databases_gb": 500,
        "databases_roles": [roles.SENIOR_DBA], "system_roles": [roles.VP_ENGINEERING, roles.DBA_LEAD],
    }  # fmt: skip
    page = prove(Client(), lead)
    assert page.post("/restores/policy/", sent).status_code == 302
    made = ApprovalPolicy.objects.get(state="proposed")
    assert rows_of(made)[1].size_bytes == 100 * 10**9 and rows_of(made)[3].databases is None
    shown = prove(Client(), vp).get("/restores/policy/").content.decode()
    assert "Sign it as VP Engineering" in shown and made.rows_hash in shown
    other = prove(Client(), vp)
    signed = {"rows_hash": made.rows_hash, "role": roles.VP_ENGINEERING}
    assert other.post(f"/restores/policy/{made.version}/sign/", signed).status_code == 302
    assert made.approvals.count() == 1
    wrong = prove(Client(), lead).post("/restores/policy/", sent | {"system_roles": ["nobody"]})
    assert wrong.status_code == 200 and "Select a valid choice" in wrong.content.decode()
