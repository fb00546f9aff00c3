"""Writing policies, giving them to instances, and what takes a second person."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from guardian.shortcuts import assign_perm

from catalog import selectors
from catalog.models import Backup, ChangeRequest, Instance, Policy, ScheduledRun
from catalog.selectors.policies import instance_schedule, policy_list, preview
from catalog.services.change_decide import change_approve
from catalog.services.policy_assign import policy_assign
from catalog.services.policy_write import (
    blackout_add,
    blackout_remove,
    policy_add,
    policy_copy,
    policy_remove,
    policy_update,
)
from catalog.services.restore_test_start import restore_test_choose
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.cron import DOUBLED, SKIPPED
from dataprotect.ops.models import AuditEvent

Person = Callable[..., User]


@pytest.fixture
def lead(person: Person) -> User:
    return person("lena", "DBA Lead")


def policy(name: str = "critical") -> Policy:
    return Policy.objects.get(name=name)


@pytest.mark.django_db
def test_there_is_a_preset_for_each_tier_and_each_is_whole(lead: User) -> None:
    presets = {row.name: row for row in policy_list(user=lead)}
    assert set(presets) == {"critical", "standard", "archival"}
    assert {row.tier.name for row in presets.values() if row.tier} == set(presets)
    critical = presets["critical"]
    assert (critical.full_cron, critical.differential_cron, critical.incremental_cron) == (
        "0 1 * * 0", "0 1 * * *", "0 * * * *",
    )  # fmt: skip
    assert critical.stream_logs and critical.restore_test_cron == "0 4 * * *"
    for row in presets.values():
        kept = (row.keep_daily_days, row.keep_weekly_days, row.keep_monthly_days, row.keep_yearly_days)
        assert kept == (30, 90, 365, 7 * 365) and row.minimum_restore_tested >= 1
        assert row.audit_cron == "0 6 1 * *", "once a month"
        assert row.stream_logs == bool(row.pitr_test_cron)
        weekday = row.pitr_test_cron.split()[2:] if row.stream_logs else ["*", "*", "1"]
        assert weekday[:2] == ["*", "*"] and weekday[2].isdigit(), "once a week"
    for name in presets:
        made = policy_copy(actor=lead, policy=presets[name], name=f"own {name}")
        assert policy_update(actor=lead, policy=made, description="ours").description == "ours"
        assert preview(made)


@pytest.mark.parametrize("role", ["operator", "DBA", "Senior DBA", "Engineering Manager", "auditor", ""])
def test_only_a_lead_writes_policies(person: Person, role: str) -> None:
    someone = person("someone", role)
    for attempt in (
        lambda: policy_add(actor=someone, name="mine"),
        lambda: policy_update(actor=someone, policy=policy(), keep_daily_days=60),
        lambda: policy_copy(actor=someone, policy=policy(), name="mine"),
        lambda: policy_remove(actor=someone, policy=policy()),
        lambda: blackout_add(
            actor=someone, policy=policy(), reason="x", start_time="01:00", end_time="02:00"
        ),
    ):
        with pytest.raises(ForeseenError) as refused:
            attempt()
        assert refused.value.code == "access.denied"
    assert not AuditEvent.objects.filter(verb__startswith="policy.").exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("full_cron", "@daily", "five fields"),
        ("timezone", "Mars/Base", "time zone of IANA"),
        ("keep_daily_days", "many", "whole number"),
        ("minimum_restore_tested", 0, "greater than or equal to 1"),
        ("max_concurrent", 99, "less than or equal to 16"),
        ("backup_window_start", "22:00", "its start and its end"),
        ("backup_window_end", "25:00", "time of day"),
        ("bandwidth_limit", 5, "greater than or equal to"),
        ("name", "", "name of 1 to 63"),
        ("tier", "gold", "no tier"),
        ("stream_logs", "maybe", "yes or no"),
        ("nonsense", 1, "nothing called"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    lead: User, field: str, value: object, words: str
) -> None:
    values = {"name": "ours", "full_cron": "0 1 * * *", field: value}
    with pytest.raises(InvalidInput) as refused:
        policy_add(actor=lead, **values)  # type: ignore[arg-type]
    assert words in refused.value.message
    assert refused.value.field == field.replace("backup_window_start", "backup_window_end") or words in (
        "time of day",
    )
    assert not Policy.objects.filter(name="ours").exists()


def test_incrementals_without_fulls_and_instants_without_log_are_refused(lead: User) -> None:
    with pytest.raises(InvalidInput, match="stand on them"):
        policy_add(actor=lead, name="a", incremental_cron="0 * * * *")
    with pytest.raises(InvalidInput, match="Expected the log to be streamed"):
        policy_add(actor=lead, name="a", full_cron="0 1 * * *", pitr_test_cron="0 5 * * 1")


def test_the_command_says_what_the_two_odd_days_of_the_year_do(
    lead: User, protected: Callable[..., Instance]
) -> None:
    march, october = last_sunday(3), last_sunday(10)
    policy_update(
        actor=lead, policy=policy(), timezone="Europe/Berlin", full_cron=f"30 2 {march.day} 3 *",
        differential_cron=f"30 2 {october.day} 10 *", incremental_cron="", restore_test_cron="",
        pitr_test_cron="", audit_cron="",
    )  # fmt: skip
    protected()
    out = StringIO()
    call_command("next_runs", "orders", stdout=out)
    said = [line for line in out.getvalue().splitlines() if line[:10] in (str(march), str(october))]
    assert len(out.getvalue().splitlines()) >= 5
    assert sorted(said) == sorted([
        f"{march}T03:00+02:00  full backup. {SKIPPED}",
        f"{october}T02:30+02:00  differential backup. {DOUBLED}",
    ])  # fmt: skip


def last_sunday(month: int) -> date:
    """The next day on which Berlin changes its clocks in `month`."""
    today = clock.now().date()
    for year in (today.year, today.year + 1):
        day = next(d for n in range(7) if (d := date(year, month, 31 - n)).isoweekday() == 7)
        if day > today:
            return day
    raise AssertionError("every year has one")


def test_an_edit_says_before_and_after_in_the_audit_and_moves_the_anchor(lead: User) -> None:
    row = policy_update(actor=lead, policy=policy(), full_cron="0 3 * * 6")
    event = AuditEvent.objects.get(verb="policy.changed")
    assert event.data["before"] == {"full_cron": "0 1 * * 0"} and event.data["after"] == {
        "full_cron": "0 3 * * 6"
    }
    assert row.schedule_changed_at is not None
    again = policy_update(actor=lead, policy=row, full_cron="0 3 * * 6")
    assert again.schedule_changed_at == row.schedule_changed_at
    assert AuditEvent.objects.filter(verb="policy.changed").count() == 1, "nothing changed: no event"


def test_blackouts_come_and_go_with_an_event(lead: User) -> None:
    weekly = blackout_add(
        actor=lead, policy=policy(), reason="batch", weekdays="5,1", start_time="22:00", end_time="04:00"
    )
    assert weekly.weekdays == "1,5"
    with pytest.raises(InvalidInput):
        blackout_add(actor=lead, policy=policy(), reason="x", start_time="22:00", ends_at="2026-01-01T00:00Z")
    with pytest.raises(InvalidInput, match="why"):
        blackout_add(actor=lead, policy=policy(), reason=" ", start_time="22:00", end_time="23:00")
    blackout_remove(actor=lead, blackout=weekly)
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert {"policy.blackout_added", "policy.blackout_removed"} <= verbs


def test_a_policy_that_protects_something_stays(lead: User, protected: Callable[..., Instance]) -> None:
    protected("orders", "archival")
    with pytest.raises(ForeseenError) as refused:
        policy_remove(actor=lead, policy=policy("archival"))
    assert refused.value.code == "policy.in_use"
    policy_remove(actor=lead, policy=policy("standard"))
    assert not Policy.objects.filter(name="standard").exists()


def test_who_may_change_an_instance_chooses_its_policy(
    person: Person, make_instance: Callable[..., Instance]
) -> None:
    dba, instance = person("dora", "DBA"), make_instance()
    with pytest.raises(ForeseenError) as refused:
        policy_assign(actor=dba, instance=instance, policy=policy())
    assert refused.value.code == "access.denied"
    assign_perm("change_instance", dba, instance)
    dba = User.objects.get(pk=dba.pk)
    row = policy_assign(actor=dba, instance=instance, policy=policy())
    assert row.policy == policy() and row.policy_since is not None
    assert AuditEvent.objects.get(verb="policy.assigned").data == {"before": None, "after": "critical"}


def test_a_shorter_retention_becomes_a_request_and_changes_nothing(
    lead: User, person: Person, protected: Callable[..., Instance], make_backup: Callable[..., Backup]
) -> None:
    instance = protected()
    for days in (3, 20):
        make_backup(instance, clock.now() - timedelta(days=days), state="restore_tested")
    with pytest.raises(InvalidInput, match="second person"):
        policy_update(actor=lead, policy=policy(), log_window_days=1)
    with pytest.raises(ForeseenError) as refused:
        policy_update(
            actor=lead, policy=policy(), log_window_days=1, full_cron="0 5 * * 0", reason="disk is dear"
        )
    assert refused.value.code == "policy.second_person"
    request = ChangeRequest.objects.get()
    assert f"Request {request.pk}" in refused.value.action
    assert policy().log_window_days == 30 and policy().full_cron == "0 1 * * 0"
    change_approve(
        actor=person("emil", "Engineering Manager"), change=request, seen_hash=request.payload_hash
    )
    assert policy().log_window_days == 1
    assert policy().full_cron == "0 1 * * 0", "only retention was approved"


def test_a_longer_retention_is_a_change_like_any_other(
    lead: User, protected: Callable[..., Instance], make_backup: Callable[..., Backup]
) -> None:
    make_backup(protected(), clock.now() - timedelta(days=3))
    assert policy_update(actor=lead, policy=policy(), keep_daily_days=60).keep_daily_days == 60


def test_taking_a_policy_on_where_everything_was_kept_takes_two(
    lead: User, person: Person, make_instance: Callable[..., Instance], make_backup: Callable[..., Backup]
) -> None:
    instance = make_instance()
    make_backup(instance, clock.now() - timedelta(days=3))
    with pytest.raises(ForeseenError) as refused:
        policy_assign(actor=lead, instance=instance, policy=policy(), reason="it grows")
    assert refused.value.code == "policy.second_person"
    request = ChangeRequest.objects.get()
    change_approve(
        actor=person("emil", "Engineering Manager"), change=request, seen_hash=request.payload_hash
    )
    instance.refresh_from_db()
    assert instance.policy == policy() and instance.policy_since is not None


def test_restore_tests_take_the_newest_untested_and_then_go_round(
    protected: Callable[..., Instance], make_backup: Callable[..., Backup]
) -> None:
    instance, now = protected(), clock.now()
    assert restore_test_choose(instance) is None
    old = make_backup(instance, now - timedelta(days=3))
    new = make_backup(instance, now - timedelta(days=1))
    make_backup(instance, now, state="damaged")
    assert restore_test_choose(instance) == new
    for number, backup in enumerate((new, old)):
        Backup.objects.filter(pk=backup.pk).update(state="restore_tested")
        backup.verifications.create(
            level="restore", passed=True, checks=[], seconds=1, started_at=now,
            finished_at=now + timedelta(hours=number),
        )  # fmt: skip
    assert restore_test_choose(instance) == new, "the one whose proof is the oldest"


def test_overdue_is_shown_until_it_is_made_up_for(
    lead: User, protected: Callable[..., Instance], make_backup: Callable[..., Backup]
) -> None:
    Policy.objects.update(created_at=clock.now() - timedelta(days=60))
    instance = protected(policy_since=clock.now() - timedelta(days=40))
    late = {one.kind for one in instance_schedule(user=lead, name=instance.name).state.overdue}
    assert {"full", "differential", "incremental", "restore_test", "pitr_test"} == late
    run = ScheduledRun.objects.create(
        subject=instance.subject, instance=instance, kind="full", due_at=clock.now(), state="succeeded",
        noticed_at=clock.now(), started_at=clock.now(),
    )  # fmt: skip
    late = {one.kind for one in instance_schedule(user=lead, name=instance.name).state.overdue}
    assert late == {"restore_test", "pitr_test"}
    run.delete()
    own = make_backup(instance, clock.now(), started_at=clock.now())
    Instance.objects.filter(pk=instance.pk).update(last_good_backup=own)
    (row,) = selectors.overview(user=lead).rows
    assert {one.kind for one in row.schedule.overdue} == {"restore_test", "pitr_test"}, (
        "a person's own counts"
    )
    assert row.next_at is not None and row.next_at > clock.now()


def test_the_api_is_the_same_services(
    lead: User, person: Person, make_instance: Callable[..., Instance], settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = False
    make_instance()
    client = Client()
    client.force_login(lead)

    def send(method: str, path: str, data: object = None) -> tuple[int, dict[str, object]]:
        answer = client.generic(
            method, f"/api/v1{path}", data=json.dumps(data) if data is not None else "",
            content_type="application/json",
        )  # fmt: skip
        return answer.status_code, answer.json() if answer.content else {}

    assert send("POST", "/policies", {"name": "ours", "full_cron": "0 1 * * *"})[0] == 201
    status, body = send("PATCH", "/policies/ours", {"full_cron": "@daily"})
    assert (status, body["error"]["code"]) == (422, "input.full_cron")  # type: ignore[index]
    assert (
        send("PATCH", "/policies/ours", {"backup_window_start": "22:00", "backup_window_end": "06:00"})[0]
        == 200
    )
    assert send("POST", "/policies/ours/copies", {"name": "theirs"})[1]["backup_window_start"] == "22:00:00"
    status, body = send("PUT", "/instances/orders/policy", {"policy": "ours"})
    assert (status, body["policy"]) == (200, "ours")
    assert len(body["coming"]) == 5  # type: ignore[arg-type]
    assert send("DELETE", "/policies/ours")[0] == 409
    assert send("DELETE", "/policies/theirs")[0] == 204
    assert send("GET", "/policies/theirs")[0] == 404
    client.force_login(person("stranger"))
    assert send("GET", "/policies/ours")[0] == 404
