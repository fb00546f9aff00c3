"""Starting without the signatures: for one group, loud, and reviewed afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from catalog import roles
from catalog.models import Instance
from dataprotect.core import clock
from dataprotect.ops.models import Alert
from restores.models import BreakGlassUse, RestoreRequest
from restores.selectors.approvals import unsigned
from restores.services.break_glass import glass_break, glass_review, reviews_remind
from restores.services.request_start import restore_start
from tests.people import with_role
from tests.restores.signing import Dba, Person, refused, submitted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reachable")]


def test_the_glass_is_for_its_group_and_loud(orders: Instance, dba: Dba, person: Person) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")

    def break_it(who: User, reason: str = "The shop is down.") -> RestoreRequest:
        return glass_break(
            actor=who, request=row, plan_hash=row.plan_hash, reason=reason, fresh_at=clock.now()
        )

    refused("break_glass.not_allowed", lambda: break_it(ben))
    with_role(ben, roles.BREAK_GLASS)
    refused("input.reason", lambda: break_it(ben, "  "))
    assert break_it(ben).state == "approved"
    use = BreakGlassUse.objects.get()
    assert Alert.objects.get(rule="glass_broken").severity == "critical"
    assert use.review_due_at - use.used_at == timedelta(hours=72)
    refused("access.denied", lambda: glass_review(actor=ben, use=use, note="Fine.", fresh_at=clock.now()))
    with_role(anna, roles.DBA_LEAD)
    refused("break_glass.own", lambda: glass_review(actor=anna, use=use, note="x", fresh_at=clock.now()))
    told = "Without its signatures: ben broke the glass (The shop is down.)"
    assert unsigned(RestoreRequest.objects.get(pk=row.pk)) == told
    lead = person("lead", roles.DBA_LEAD)
    glass_review(actor=lead, use=use, note="It was right.", fresh_at=clock.now())
    use.refresh_from_db()
    assert use.reviewed_by == lead and Alert.objects.get(rule="glass_broken").state == "resolved"
    restore_start(actor=anna, request=row, fresh_at=clock.now())


def test_a_glass_nobody_reviewed_in_time_is_told_until_somebody_does(
    orders: Instance, dba: Dba, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = submitted(dba("anna"), orders, "shop")
    breaker = with_role(dba("ben"), roles.BREAK_GLASS)
    glass_break(actor=breaker, request=row, plan_hash=row.plan_hash, reason="Down.", fresh_at=clock.now())
    assert reviews_remind() == 0
    late = clock.now() + timedelta(hours=73)
    monkeypatch.setattr(clock, "now", lambda: late)
    assert reviews_remind() == reviews_remind() == 1
    assert Alert.objects.get(rule="glass_review_overdue").count == 2
    lead = person("lead", roles.DBA_LEAD)
    glass_review(actor=lead, use=BreakGlassUse.objects.get(), note="Late.", fresh_at=late)
    assert not Alert.objects.filter(rule__startswith="glass").exclude(state="resolved").exists()
