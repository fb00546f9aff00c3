"""What was signed counts once, in time, and by a clock that goes forward."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog import roles
from catalog.models import Instance
from catalog.selectors.jobs import job_list
from catalog.services.expiry_delete import _has_to_wait
from catalog.services.expiry_logs import _is_being_read
from dataprotect.core import clock
from dataprotect.ops.models import Alert, Job
from restores.models import ApprovalPolicy, RestoreRequest, RestoreRun
from restores.selectors.approvals import policy_active, rows_of
from restores.services.approval_notice import approvals_remind
from restores.services.request_cancel import restores_expire
from restores.services.request_draft import restore_edit
from restores.services.request_start import restore_start
from tests.restores.signing import Dba, refused, sign, submitted, wish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reachable")]


def test_approvals_and_the_right_to_start_lapse(
    orders: Instance, dba: Dba, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = dba("anna"), dba("ben")
    waiting, ready = submitted(anna, orders, "shop"), submitted(anna, orders, "ledger")
    ready = sign(ready, ben, roles.DBA)
    later = clock.now() + timedelta(hours=25)
    monkeypatch.setattr(clock, "now", lambda: later)
    refused("approval.expired", lambda: sign(waiting, ben, roles.DBA, at=later))
    refused("approval.expired", lambda: restore_start(actor=anna, request=ready, fresh_at=later))
    assert restores_expire() == 2
    assert set(RestoreRequest.objects.values_list("state", flat=True)) == {"expired"}


def test_a_clock_that_was_put_back_revives_nothing(
    orders: Instance, dba: Dba, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = submitted(anna, orders, "shop")
    before = clock.now() - timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: before)
    refused("clock.behind", lambda: sign(row, ben, roles.DBA, at=before))
    refused("clock.behind", lambda: submitted(anna, orders, "ledger"))


def test_it_is_started_once(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    row = sign(submitted(anna, orders, "shop"), dba("ben"), roles.DBA)
    restore_start(actor=anna, request=row, fresh_at=clock.now())
    refused("restore.not_approved", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    assert Job.objects.count() == RestoreRun.objects.count() == 1


def test_what_a_run_reads_is_not_expired_meanwhile_and_colleagues_may_follow_it(
    orders: Instance, dba: Dba
) -> None:
    anna, ben = dba("anna"), dba("ben")
    row = sign(submitted(anna, orders, "shop"), ben, roles.DBA)
    assert row.backup is not None and not _is_being_read(orders) and not _has_to_wait(row.backup)
    job = restore_start(actor=anna, request=row, fresh_at=clock.now())
    assert _is_being_read(orders)
    assert job.title in _has_to_wait(row.backup)
    assert job in job_list(user=ben)


def test_the_alert_that_a_restore_waits_grows_louder_and_ends_with_the_plan(
    orders: Instance, dba: Dba, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = dba("anna")
    row = submitted(anna, orders, "shop")
    waiting = Alert.objects.get(rule="approval_waiting")
    assert (approvals_remind(), waiting.severity) == (0, "warning")
    noon = clock.now() + timedelta(hours=13)
    monkeypatch.setattr(clock, "now", lambda: noon)
    assert approvals_remind() == 1
    waiting.refresh_from_db()
    assert waiting.severity == "critical"
    restore_edit(actor=anna, request=row, wish=wish(orders, "ledger"))
    waiting.refresh_from_db()
    assert waiting.state == "resolved"


def test_a_stricter_policy_reaches_what_was_signed_before_it(orders: Instance, dba: Dba) -> None:
    anna = dba("anna")
    row = sign(submitted(anna, orders, "shop"), dba("ben"), roles.DBA)
    old = policy_active()
    rows = [each.plain() for each in rows_of(old)]
    rows[1]["bytes"] = 1
    ApprovalPolicy.objects.filter(pk=old.pk).update(state="retired")
    ApprovalPolicy.objects.create(
        version=2, state="active", rows=rows, rows_hash="1" * 64, reason="Stricter.", proposed_by_name="lead",
        proposed_at=clock.now(),
    )  # fmt: skip
    refused("approval.missing", lambda: restore_start(actor=anna, request=row, fresh_at=clock.now()))
    ApprovalPolicy.objects.filter(version=2).update(rows=old.rows)
    restore_start(actor=anna, request=row, fresh_at=clock.now())
