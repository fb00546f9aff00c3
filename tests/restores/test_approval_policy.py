"""Another approval policy counts when those have signed it who sign a full system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from catalog import roles
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from restores.models import ApprovalPolicy
from restores.selectors.approvals import policy_active, rows_of
from restores.services.approval_policy_decide import approval_policy_reject, approval_policy_sign
from restores.services.approval_policy_propose import approval_policy_propose

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


def test_one_rejection_ends_it_and_a_newer_proposal_takes_its_place(person: Person) -> None:
    lead, vp = person("lead", roles.DBA_LEAD), person("vp", roles.VP_ENGINEERING)
    first, second = propose(lead), propose(lead, rows(1))
    refused("approval.not_open", lambda: sign(first, vp, roles.VP_ENGINEERING))
    ended = approval_policy_reject(
        actor=vp, policy=second, rows_hash=second.rows_hash, role=roles.VP_ENGINEERING, reason="No.",
        fresh_at=clock.now(),
    )  # fmt: skip
    assert ended.state == "rejected" and policy_active().version == 1


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
