"""What people do on the pages of continuous protection: ask for an instant, handle, hold, decide, plan."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.auth.models import User

from catalog.models import (
    Blackout,
    ChangeRequest,
    Instance,
    LegalHold,
    LogGap,
    Policy,
    Repository,
    RetentionAudit,
)
from catalog.pictures.timeline import timeline_picture
from catalog.selectors.recovery import RecoveryTimeline, recovery_timeline
from dataprotect.core import clock
from dataprotect.engine.cron import DOUBLED, SKIPPED
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import Facts
from dataprotect.ops.models import Alert, AlertChannel, Job
from tests.catalog.policy.test_policies import last_sunday
from tests.dashboard.conftest import ClientOf

pytestmark = pytest.mark.usefixtures("catalogue", "db")


def body(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]


def test_an_instant_inside_a_window_is_told_with_its_position_and_what_is_lost(client_of: ClientOf):
    at = (clock.now() - timedelta(hours=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = body(client_of("auditor").get("/instances/orders/recovery/", {"at": at}))
    assert "Recovers to <strong>" in page and 'LSN about <span class="mono">8A/' in page
    assert "loses <strong>1 d 5 h</strong>" in page or "loses <strong>1 d 6 h</strong>" in page


def test_an_instant_in_a_gap_is_refused_with_the_nearest_ones(client_of: ClientOf):
    at = (clock.now() - timedelta(days=3, hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = body(client_of("auditor").get("/instances/orders/recovery/", {"at": at}))
    assert "lies in no recovery window. Nearest to it are" in page and "Recovers to" not in page


def test_asked_in_the_background_only_the_answer_comes(client_of: ClientOf):
    part = body(
        client_of("auditor").get(
            "/instances/orders/recovery/", {"at": "yesterday"}, headers={"HX-Request": "true"}
        )
    )
    assert "Expected an instant" in part and "<html" not in part and '<svg class="timeline"' not in part


def test_the_picture_is_solid_in_windows_hatched_in_gaps_and_cut_to_its_span():
    now = clock.now()
    timeline = recovery_timeline(instance=Instance.objects.get(name="orders"))
    month = timeline_picture(timeline, now=now, days=30)
    day = timeline_picture(timeline, now=now, days=1)
    assert month and day and len(month.solid) == 2 and month.hatched
    assert len(day.solid) == 1 and not day.hatched
    assert day.solid[0].x == day.left and day.solid[0].width == pytest.approx(day.width - day.left, abs=1)
    assert [lane.count > 0 for lane in month.lanes] == [True, True, True]


@pytest.mark.parametrize("hours", [1, 1.5, 3, 8, 24, 40, 100, 24 * 20, 24 * 200, 24 * 1000])
def test_a_timeline_of_any_age_has_a_scale_that_can_be_read(hours: float):
    now = clock.now()
    began = now - timedelta(hours=hours)
    timeline = RecoveryTimeline(began, now, now, (), (), (), recovery_windows(Facts((), (), (), {}, (), ())))
    picture = timeline_picture(timeline, now=now, days=10_000)
    assert picture is not None
    places = [tick.x for tick in picture.ticks]
    assert 3 <= len(places) <= 14
    assert min(right - left for left, right in pairwise(places)) > 45, "their words stay apart"
    assert all(picture.left < x < picture.width for x in places)


def test_an_alert_is_taken_given_and_resolved_with_a_reason(client_of: ClientOf):
    alert, senior = Alert.objects.get(state="open"), client_of("Senior DBA")
    address = f"/alerts/{alert.pk}/"
    assert senior.post(f"{address}acknowledge/", {"note": "Looking."}).status_code == 302
    alert.refresh_from_db()
    assert alert.state == "acknowledged" and alert.owner == User.objects.get(username="senior-dba")
    assert senior.post(f"{address}resolve/", {"reason": ""}).status_code == 400
    assert client_of("auditor").post(f"{address}resolve/", {"reason": "x"}).status_code == 403
    assert "Look after it" not in body(client_of("auditor").get(address))
    senior.post(f"{address}resolve/", {"reason": "The disk was replaced."})
    assert "The disk was replaced." in body(senior.get(address))


def test_the_address_of_a_channel_is_never_shown(client_of: ClientOf):
    operator, secret = client_of("operator"), "json://user:planted-password@127.0.0.1:9/hook"
    typed = {"name": "hook", "url": secret, "minimum_severity": "warning", "enabled": "on"}
    assert operator.post("/add/channel/", typed).status_code == 302
    channel = AlertChannel.objects.get(name="hook")
    pages = [body(operator.get(f"/alerts/channels/{channel.pk}/")), body(operator.get("/alerts/channels/"))]
    refused = body(operator.post("/add/channel/", typed | {"name": "other", "url": "nonsense-planted"}))
    assert not any("planted" in page for page in [*pages, refused])
    operator.post(f"/alerts/channels/{channel.pk}/", {**typed, "url": "", "name": "renamed"})
    assert AlertChannel.objects.get(name="renamed").url_sealed == channel.url_sealed


def test_a_second_person_decides_and_only_about_what_was_shown(client_of: ClientOf):
    change = ChangeRequest.objects.get(kind="lift_hold")
    address, lead = f"/changes/{change.pk}/", client_of("DBA Lead")
    assert "Approve it" not in body(client_of("VP Engineering").get(address))
    seen = {"seen_hash": change.payload_hash}
    assert client_of("auditor").post(f"{address}approve/", seen).status_code == 403
    assert f'value="{change.payload_hash}"' in body(lead.get(address))
    lead.post(f"{address}approve/", seen)
    assert LegalHold.objects.get(pk=change.hold_id).lifted_at is not None
    assert "Approved and done" in body(lead.get(address))


def test_a_hold_is_placed_and_kept_from_being_lifted_by_one(client_of: ClientOf):
    lead = client_of("DBA Lead")
    typed = {"instance": "identity", "matter": "C-9", "reason": "A dispute."}
    made = LegalHold.objects.filter(matter="C-9")
    assert lead.post("/add/hold/", typed | {"reason": ""}).status_code == 400 and not made.exists()
    assert lead.post("/add/hold/", typed).status_code == 302
    hold = made.get()
    answer = lead.post(f"/holds/{hold.pk}/lift/", {"reason": "It is settled."})
    assert answer.headers["location"].startswith("/changes/") and made.get().lifted_at is None


def test_an_audit_names_its_exceptions_to_whoever_sees_every_instance(client_of: ClientOf):
    auditor = client_of("auditor")
    audit = RetentionAudit.objects.get()
    address = f"/retention/audits/{audit.pk}/"
    assert f'href="{address}"' in body(auditor.get("/retention/"))
    page = body(auditor.get(address))
    assert "1 exception." in page and "There is no backup to keep." in page and audit.sha256 in page
    assert "Left out: identity" in page
    assert client_of("DBA").get(address).status_code == 404
    assert address not in body(client_of("DBA").get("/retention/"))


def test_a_gap_is_acknowledged_by_whoever_may_change_the_instance(client_of: ClientOf):
    gap = LogGap.objects.get(instance__name="orders")
    assert client_of("operator").post(f"/gaps/{gap.pk}/", {"note": "Seen."}).status_code == 403
    lead = client_of("DBA Lead")
    assert lead.post(f"/gaps/{gap.pk}/", {"note": ""}).status_code == 400
    lead.post(f"/gaps/{gap.pk}/", {"note": "A full was taken."})
    assert "A full was taken." in body(lead.get("/logs/orders/"))


def test_the_editor_shows_the_next_runs_and_saves_only_when_asked(client_of: ClientOf):
    lead = client_of("DBA Lead")
    assert lead.post("/add/policy/", {"source": "critical", "name": "shop"}).status_code == 302
    form = lead.get("/policies/shop/edit/").context["form"]
    typed = {name: value for name, value in form.initial.items() if value not in (None, "", False)}
    typed |= {"timezone": "Europe/Berlin", "full_cron": "30 2 * * 0", "tier": ""}
    shown = body(lead.post("/policies/shop/edit/", typed | {"preview": "1"}))
    assert "nothing is saved yet; in Europe/Berlin" in shown and shown.count("<li><svg") >= 5
    assert Policy.objects.get(name="shop").timezone != "Europe/Berlin"
    assert lead.post("/policies/shop/edit/", typed | {"full_cron": "99 * * * *"}).status_code == 400
    assert lead.post("/policies/shop/edit/", typed).status_code == 302
    assert Policy.objects.get(name="shop").full_cron == "30 2 * * 0"


def test_the_preview_notes_what_the_change_of_clocks_does(client_of: ClientOf):
    lead = client_of("DBA Lead")
    march, october = last_sunday(3), last_sunday(10)
    initial = lead.get("/policies/critical/edit/").context["form"].initial
    typed = {name: value for name, value in initial.items() if value and "cron" not in name}
    typed |= {"timezone": "Europe/Berlin", "tier": "", "preview": "1"}
    typed |= {"full_cron": f"30 2 {march.day} 3 *", "differential_cron": f"30 2 {october.day} 10 *"}
    shown = body(lead.post("/policies/critical/edit/", typed))
    assert SKIPPED in shown and DOUBLED in shown


def test_overdue_is_a_state_of_its_own_on_every_page_that_says_what_comes(client_of: ClientOf):
    long_ago = clock.now() - timedelta(days=40)
    Policy.objects.update(created_at=long_ago, schedule_changed_at=None)
    Instance.objects.filter(name="identity").update(
        policy=Policy.objects.get(name="critical"), policy_since=long_ago, last_good_backup=None
    )
    lead = client_of("auditor")
    assert 'breached" href="/instances/identity/policy/">overdue</a>' in body(lead.get("/?q=identity"))
    page = body(lead.get("/instances/identity/"))
    assert 'state-bad">overdue</span>' in page
    assert 'href="/policies/critical/">critical</a>' in page and "No policy yet" not in page
    assert "Differential backup is overdue since" in body(lead.get("/instances/identity/policy/"))


def test_blackouts_are_added_every_week_or_once_in_the_zone_of_the_policy(client_of: ClientOf):
    lead, address = client_of("DBA Lead"), "/policies/critical/blackout/"
    Policy.objects.filter(name="critical").update(timezone="Europe/Berlin")
    weekly = {"reason": "Batch", "start_time": "22:00", "end_time": "04:00", "days": ["1", "5"]}
    once = {"reason": "Closing", "starts_at": "2027-12-24T18:00", "ends_at": "2028-01-02T06:00"}
    assert lead.post(address, weekly).status_code == 302
    assert lead.post(address, once).status_code == 302
    made = {row.reason: row for row in Blackout.objects.filter(policy__name="critical")}
    assert (made["Batch"].weekdays, made["Batch"].starts_at) == ("1,5", None)
    assert clock.iso(made["Closing"].starts_at).startswith("2027-12-24T17:00:00")
    page = body(lead.get("/policies/critical/"))
    assert "Closing" in page and "2027-12-24 18:00 CET" in page and "22:00 to 04:00" in page
    refused = lead.post(address, weekly | once)
    assert refused.status_code == 400 and "not both" in body(refused)
    assert lead.post(address, {"reason": "Nothing"}).status_code == 400


def test_limits_and_price_of_a_repository_are_set_where_it_is_shown(client_of: ClientOf):
    operator, address = client_of("operator"), "/repositories/cellar/edit/"
    typed = {
        "max_concurrent": "3",
        "bandwidth_mib": "8",
        "price_per_gb_month": "0.023",
        "price_currency": "eur",
    }
    assert operator.post(address, typed | {"max_concurrent": "0"}).status_code == 400
    assert operator.post(address, typed | {"price_currency": "€€€"}).status_code == 400
    assert operator.post(address, typed).status_code == 302
    row = Repository.objects.get(name="cellar")
    assert (row.max_concurrent, row.bandwidth_limit, row.price_currency) == (3, 8 << 20, "EUR")
    page = body(operator.get("/repositories/cellar/"))
    assert "3, at most 8.00 MiB/s in all" in page and "0.02300 EUR a GB and month" in page
    Repository.objects.update(bandwidth_limit=8_100_001)
    shown = operator.get(address).context["form"].initial
    operator.post(address, shown | {"max_concurrent": "4"})
    row.refresh_from_db()
    assert (row.max_concurrent, row.bandwidth_limit) == (4, 8_100_001), "not rounded by being shown"


def test_a_policy_is_given_and_the_pages_say_what_comes_next(client_of: ClientOf):
    lead = client_of("DBA Lead")
    assert "No policy" in body(lead.get("/instances/identity/"))
    wanted = {"policy": "archival", "reason": "Agreed with the owner."}
    assert lead.post("/instances/identity/policy/", wanted).status_code == 302
    if Instance.objects.get(name="identity").policy is None:  # it would shorten: a second person is asked
        assert ChangeRequest.objects.filter(instance__name="identity").exists()


def test_each_type_of_backup_has_its_button(client_of: ClientOf):
    operator = client_of("operator")
    page = body(operator.get("/instances/identity/"))
    assert all(f'value="{kind}"' in page for kind in ("full", "differential", "incremental"))
    operator.post("/instances/identity/backup/", {"type": "incremental"})
    job = Job.objects.filter(task="catalog.tasks.run_backup", actor="operator").latest("created_at")
    assert job.arguments["type"] == "incremental"
