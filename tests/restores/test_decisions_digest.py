"""What was decided in each approver's name reaches a real receiver, once a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import roles
from catalog.models import Instance
from dataprotect.core import clock
from dataprotect.core.secrets import Secret
from dataprotect.ops.models import Alert, AlertDelivery
from dataprotect.ops.services.alert_channel import channel_add
from dataprotect.ops.services.alert_deliver import deliveries_send
from restores.services.approval_deny import approval_deny
from restores.services.break_glass import glass_break
from restores.services.decisions_digest import RULE, digest_write, week_before
from tests.ops.alerts.receiver import Receiver
from tests.people import with_role
from tests.restores.signing import Dba, sign, submitted

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("reachable")
def test_each_approver_reads_what_was_decided_in_that_name(
    orders: Instance, dba: Dba, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SITE_URL = "https://backup.example.org"
    anna, ben, cleo, dana = dba("anna"), dba("ben"), dba("cleo"), with_role(dba("dana"), roles.BREAK_GLASS)
    signed = sign(submitted(anna, orders, "shop"), ben, roles.DBA)
    refused = submitted(ben, orders, "ledger")
    now = clock.now()
    approval_deny(actor=cleo, request=refused, plan_hash=refused.plan_hash, reason="No.", fresh_at=now)
    broken = submitted(anna, orders, "shop")
    glass_break(
        actor=dana, request=broken, plan_hash=broken.plan_hash, reason="The shop is down", fresh_at=now
    )
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=7))
    assert digest_write() == 0, "no channel takes it"
    receiver = Receiver()
    channel_add(actor="system:test", name="pager", url=Secret(receiver.url))
    channel_add(actor="system:test", name="other", url=Secret(receiver.url), rules=["rpo_breached"])
    channel_add(
        actor="system:test", name="team", url=Secret(receiver.url), minimum_severity="info", rules=[RULE]
    )
    before = Alert.objects.count()
    try:
        assert (digest_write(), digest_write()) == (1, 0), "once, to the one that wants it"
        AlertDelivery.objects.exclude(channel__name="team").delete()
        assert deliveries_send()["sent"] == 1
        [message] = receiver.messages
    finally:
        receiver.stop()
    assert message["title"].startswith("For information: Signed and denied from ")
    told = message["message"].splitlines()
    exceptions = "Exceptions, started without signatures"
    assert [line.rstrip(":") for line in told if line.endswith(":")] == ["ben", "cleo", exceptions]
    assert f"approved {signed.restore_id} onto orders-db (now approved) as DBA." in told[1]
    assert f"denied {refused.restore_id} onto orders-db (now rejected)" in told[3]
    why = f"dana broke the glass for {broken.restore_id} onto orders-db (The shop is down); not reviewed."
    assert told[5].endswith(why)
    assert "https://backup.example.org/restores/approvals/" in told
    assert Alert.objects.count() == before, "it is no trouble that somebody would have to end"
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=14))
    assert digest_write() == 0, "nothing was decided in the week after"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_it_is_always_the_last_whole_week(now: datetime) -> None:
    start, end = week_before(now, BERLIN)
    assert start < end <= now < end + timedelta(days=7, hours=1)
    assert (start.weekday(), end.weekday(), start.hour, end.hour) == (0, 0, 0, 0)
    assert end.date() - start.date() == timedelta(days=7)


def test_a_week_with_another_clock_is_an_hour_longer_or_shorter() -> None:
    for now, hours in (((2026, 4, 1), 167), ((2026, 10, 28), 169), ((2026, 6, 3), 168)):
        start, end = week_before(datetime(*now, tzinfo=UTC), BERLIN)
        assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)
