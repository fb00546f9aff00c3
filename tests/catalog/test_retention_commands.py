"""Simulating, auditing and the commands, over a real repository."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Backup, ChangeRequest, Expiry, LegalHold, RetentionAudit
from catalog.selectors import retention_simulation, retention_simulations
from catalog.selectors.retention import simulate
from catalog.services import hold_place, retention_audit_start
from dataprotect.core import clock
from dataprotect.engine.retention import RetentionRules
from dataprotect.ops import queue
from dataprotect.ops.models import Alert, AuditEvent
from dataprotect.storage.documents import canonical
from tests.catalog.retained import DAY, OPERATOR, Retained, person, refused, state

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def retained(tmp_path: Path) -> Retained:
    made = Retained(tmp_path)
    made.backup("old", 10)
    made.backup("full", 2, state="restore_tested")
    made.backup("child", 1, parents=["full"])
    return made


def answer(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


def told(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_the_simulation_says_what_goes_when_and_why_each_other_stays(retained: Retained) -> None:
    found = answer("simulate_retention", "orders")["instances"][0]
    by_id = {item["backup_id"]: item for item in found["backups"]}
    assert (found["staying"], found["going"]) == (2, 1)
    assert not by_id["old"]["keep"] and "3 days are over" in " ".join(by_id["old"]["reasons"])
    assert any("child needs it" in words for words in by_id["full"]["reasons"])
    assert by_id["child"]["goes_on"] is None, "the last good copy"
    words = told("simulate_retention", "--all")
    assert "orders: 2 stay, 1 go" in words and "old (checked) GOES" in words
    assert state("old") == "checked", "it changes nothing"


def test_it_looks_ahead(retained: Retained) -> None:
    retained.backup("newest", 0)
    later = clock.iso(clock.now() + 20 * DAY)[:19] + "Z"
    ahead = {item["backup_id"]: item["keep"] for item in answer_at(later)}
    assert ahead == {"old": False, "full": True, "child": False, "newest": True}
    for wrong in ("2001-01-01T00:00:00Z", "tomorrow"):
        refused("input.at" if wrong[0] == "2" else "input.timestamp", answer_at, wrong)


def answer_at(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer("simulate_retention", "orders", "--at", text)["instances"][0][
        "backups"
    ]
    return found


def test_rules_can_be_tried_and_strangers_see_nothing(retained: Retained) -> None:
    tried = retention_simulation(user=OPERATOR, name="orders", rules=RetentionRules(keep_daily_days=60))
    assert not tried.going and tried.bytes_going == 0 and tried.next_to_go is not None
    stranger = person("stranger")
    refused("instance.not_found", retention_simulation, user=stranger, name="orders")
    assert retention_simulations(user=stranger) == []


def test_many_instances_take_no_more_queries_than_one(retained: Retained) -> None:
    others = [retained.make_instance(f"i{number}", retained.instance.tier) for number in range(5)]
    counts = []
    for instances in ([retained.instance], [retained.instance, *others]):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            simulate(instances)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 7


def test_expire_says_beforehand_what_it_then_does(retained: Retained) -> None:
    (would,) = answer("expire", "--dry-run")["runs"]
    assert (would["placed"], would["deleted"], state("old")) == (["old"], [], "checked")
    (did,) = answer("expire", "--repository", "local")["runs"]
    assert did["placed"] == ["old"]
    Expiry.objects.update(placed_at=clock.now() - 8 * DAY, delete_after=clock.now() - DAY)
    assert answer("expire", "--dry-run")["runs"][0]["deleted"] == ["old"]
    assert "deleted: old" in told("expire")
    assert state("old") == "deleted" and Backup.objects.count() == 3


def test_holding_and_asking_from_the_terminal(retained: Retained) -> None:
    held = answer(
        "hold_backup", "old", "--reason", "Audit.", "--matter", "M-1", "--until", "2999-01-01T00:00:00Z"
    )
    assert answer("expire")["runs"][0]["placed"] == []
    asked = answer("hold_lift", str(held["hold"]), "--reason", "Settled.")
    assert asked["approvals_needed"] == 2 and LegalHold.objects.get().lifted_at is None
    refused("change.asked", answer, "hold_lift", str(held["hold"]), "--reason", "Now.")
    assert "in the dashboard" in told("delete_backup", "child", "--reason", "Away.")
    assert ChangeRequest.objects.filter(state="awaiting").count() == 2
    assert (
        answer("hold_backup", "--instance", "orders", "--reason", "All.", "--matter", "M-2")["backup_id"]
        is None
    )
    refused("input.until", answer, "hold_backup", "old", "--reason", "x", "--matter", "M", "--until",
            "2001-01-01T00:00:00Z")  # fmt: skip


def test_sparing_from_the_terminal(retained: Retained) -> None:
    retained.expire()
    assert answer("spare_backup", "old", "--reason", "Not yet.")["state"] == "checked"
    assert state("old") == "checked"


def audit() -> RetentionAudit:
    with queue.foreground():
        job = retention_audit_start(actor=OPERATOR)
    queue.result_of(queue.run_now(job))
    return RetentionAudit.objects.order_by("-at").first()  # type: ignore[return-value]


def test_the_audit_names_its_population_and_every_exception(retained: Retained) -> None:
    retained.make_instance("empty", retained.instance.tier)
    type(retained.policy).objects.update(minimum_restore_tested=2)
    row = audit()
    report = row.report
    assert [item["instance"] for item in report["population"]["included"]] == ["orders"]
    assert report["population"]["excluded"] == [{"instance": "empty", "reason": "It has no backup."}]
    codes = {(item["instance"], item["code"]) for item in report["exceptions"]}
    assert codes == {("empty", "no_evidence"), ("orders", "too_few_tested"), ("orders", "not_expired")}
    assert row.sha256 == hashlib.sha256(canonical(report)).hexdigest()
    event = AuditEvent.objects.get(verb="retention.audited")
    assert event.data["sha256"] == row.sha256 and event.data["exceptions"] == 3
    alert = Alert.objects.get(rule="retention_exceptions")
    assert (alert.severity, alert.title) == ("warning", "The retention audit found 3 exceptions.")
    assert alert.link == f"/retention/audits/{row.pk}/" and "no backup to keep" in alert.detail
    again = answer("audit_retention")
    assert again["exceptions"] == report["exceptions"] and again["audit"] != row.pk
    assert Alert.objects.filter(rule="retention_exceptions").count() == 1
    assert "empty: There is no backup to keep or to expire." in told("audit_retention")


def test_the_audit_counts_what_went_since_the_one_before(retained: Retained, settings: object) -> None:
    settings.EXPIRY_GRACE_DAYS = 0  # type: ignore[attr-defined]
    assert audit().report["totals"]["deleted"] == 0
    retained.expire()
    hold_place(actor=OPERATOR, instance=retained.instance, reason="Audit.", matter="M-1")
    totals = audit().report["totals"]
    assert (totals["deleted"], totals["holds"], totals["backups"]) == (1, 1, 2)
    assert totals["bytes_deleted"] > 0


def test_the_audit_finds_what_went_under_a_hold(retained: Retained, settings: object) -> None:
    """It cannot happen through the services; an audit that trusts them proves nothing."""
    settings.EXPIRY_GRACE_DAYS = 0  # type: ignore[attr-defined]
    retained.expire()
    LegalHold.objects.create(
        instance=retained.instance, backup=Backup.objects.get(backup_id="old"), reason="x", matter="M",
        owner="o", placed_at=clock.now() - DAY, placed_by="p",
    )  # fmt: skip
    assert "deleted_under_hold" in {item["code"] for item in audit().report["exceptions"]}
    assert Alert.objects.get(rule="retention_exceptions").severity == "critical"
