"""What the pages say: the first screen, the three kinds of emptiness, times in one's zone, hostile names."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import Client

from catalog.models import Instance, Repository, Tier
from catalog.services.instance_refresh import instance_refresh
from dataprotect.core import clock
from dataprotect.ops.models import AuditEvent, Job, Preference, StopSwitch
from dataprotect.ops.services.audit import audit_record
from dataprotect.ops.templatetags import show
from tests.dashboard import seed

pytestmark = pytest.mark.django_db


def signed_in(role: str = "DBA Lead") -> Client:
    client = Client()
    client.force_login(seed.person(role.lower().replace(" ", "-"), role))
    return client


def text(client: Client, address: str) -> str:
    """What a person reads, without tags."""
    page = client.get(address).content.decode()
    main = page[page.index("<main") :]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def test_a_new_installation_is_led_step_by_step():
    lead = signed_in()
    first = text(lead, "/")
    assert "Nothing is protected yet." in first and "Add repository" in first
    place = seed.repository()
    second = text(lead, "/")
    assert (
        "Add a repository (done)" in second and lead.get("/").content.decode().count("btn btn-primary") == 1
    )
    assert 'href="/add/instance/"' in lead.get("/").content.decode()
    one = seed.instance("orders", place)
    assert "Add an instance (done)" in text(lead, "/")
    made = seed.backup(one, clock.now())
    instance_refresh(one)
    assert made == Instance.objects.get().last_good_backup and "(done)" not in text(lead, "/")


def test_no_data_all_good_and_filtered_out_are_told_apart():
    lead = signed_in()
    assert "No backup exists yet" in text(lead, "/backups/")
    one = seed.instance("orders", seed.repository(), tier="archival")
    made = seed.backup(one, clock.now() - timedelta(minutes=5), state="restore_tested")
    seed.verification(made, clock.now())
    instance_refresh(one)
    assert "No backup matches this filter." in text(lead, "/backups/?q=zzz")
    assert "No backup exists" not in text(lead, "/backups/?q=zzz")
    assert "can be restored within the agreed targets" in text(lead, "/")
    assert "Needs attention" not in text(lead, "/")


def test_stored_checked_and_restore_tested_are_different_words():
    one = seed.instance("orders", seed.repository())
    lead = signed_in()
    words = {"stored": "Stored, not proved", "checked": "Checked: every stored object",
             "restore_tested": "Restore-tested: it was brought up", "damaged": "Do not rely",
             "missing": "its seal is gone"}  # fmt: skip
    for number, (state, sentence) in enumerate(words.items()):
        made = seed.backup(one, clock.now() - timedelta(days=number), state=state)
        page = text(lead, f"/backups/{made.backup_id}/")
        assert [word for word in words.values() if word in page] == [sentence]


def test_hostile_names_are_shown_and_harmless():
    one = seed.instance("orders", seed.repository())
    seed.databases(one, clock.now(), ["<img src=x onerror=alert(1)>", "a\u202eb\u0007"])
    page = signed_in().get("/instances/orders/").content.decode()
    assert "<img" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "\u202e" not in page and "a\\u202eb\\x07" in page and page.count("unusual name") == 2


def test_times_are_in_the_persons_zone_with_its_abbreviation():
    one = seed.instance("orders", seed.repository())
    made = seed.backup(one, datetime(2026, 7, 1, 12, 30, tzinfo=UTC))
    lead = signed_in()
    assert "2026-07-01 12:30:00 UTC" in text(lead, f"/backups/{made.backup_id}/")
    lead.post("/preferences/", {"theme": "dark", "time_zone": "Europe/Berlin"})
    page = lead.get(f"/backups/{made.backup_id}/").content.decode()
    assert '<time datetime="2026-07-01T12:30:00.000Z">2026-07-01 14:30:00 CEST</time>' in page
    assert 'data-bs-theme="dark"' in page
    assert Preference.objects.get().time_zone == "Europe/Berlin"
    assert lead.post("/preferences/", {"theme": "pink", "time_zone": "Mars/Olympus"}).status_code == 400


def test_a_zone_that_is_gone_falls_back_to_the_installations():
    lead = signed_in()
    lead.get("/")
    person = seed.person("dba-lead")
    Preference.objects.create(user=person, time_zone="Gone/Nowhere")
    assert lead.get("/").status_code == 200


def test_the_stop_is_on_every_page_until_a_lead_lifts_it_with_a_root_cause():
    StopSwitch.objects.create(raised_by="anna", reason="The storage loses writes.")
    operator, lead = signed_in("operator"), signed_in()
    for address in ("/", "/instances/", "/jobs/", "/health/", "/preferences/"):
        assert "The storage loses writes." in operator.get(address).content.decode(), address
    assert operator.post("/stop/lift/", {"root_cause": "x"}).status_code == 403
    assert lead.post("/stop/lift/", {"root_cause": " "}).status_code == 400
    assert lead.post("/stop/lift/", {"root_cause": "A firmware bug, patched."}).status_code == 302
    assert "The storage loses writes." not in text(operator, "/")
    operator.post("/stop/raise/", {"reason": "Again."})
    assert StopSwitch.objects.get(active=True).reason == "Again."


BAD_INPUT = {
    "name": ("a b", "../x", "x" * 64, "naïve", "", "a\nb"), "port": ("0", "65536", "1e3", "٣", "-1", ""),
    "user": ("a b", "", "x;y"), "host": ("", "a b", "a,b", "-x", "host/../x", "$(id)", "`id`"),
    "database": ("select", "a-b", "1a", "x;DROP TABLE y"), "data_directory": ("relative", "/a/../b", "/a\0b"),
    "region": ("EU WEST",),
}  # fmt: skip


@pytest.mark.parametrize("field", BAD_INPUT)
def test_bad_input_is_refused_beside_its_field_and_nothing_is_kept(field: str):
    seed.repository()
    lead = signed_in()
    good = {
        "name": "orders", "environment": "production", "tier": str(Tier.objects.get(name="standard").pk),
        "host": "127.0.0.1", "port": "5432", "user": "postgres", "password": "the planted password",
        "database": "postgres", "tls_mode": "prefer", "repository": str(Repository.objects.get().pk),
    }  # fmt: skip
    for value in BAD_INPUT[field]:
        answer = lead.post("/add/instance/", good | {field: value})
        page = answer.content.decode()
        assert answer.status_code == 400, (field, value)
        assert f'id="id_{field}_error"' in page, (field, value)
        assert "the planted password" not in page
    assert not Instance.objects.exists() and not Job.objects.exists()
    made = lead.post("/add/instance/", good)
    one, probe = Instance.objects.get(), Job.objects.get(task="catalog.tasks.run_probe")
    assert made.headers["location"] == f"/instances/orders/connection/{probe.pk}/"
    assert "the planted password" not in one.password_sealed + str(probe.arguments)
    shown = (
        lead.get("/instances/orders/").content.decode() + lead.get("/instances/orders/edit/").content.decode()
    )
    assert "the planted password" not in shown and "stored encrypted, never shown" in shown


def test_editing_without_a_password_keeps_the_one_that_is_stored():
    test_bad_input_is_refused_beside_its_field_and_nothing_is_kept("region")
    one, lead = Instance.objects.get(), signed_in()
    page = lead.get("/instances/orders/edit/").content.decode()
    values = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    values |= {"environment": "staging", "tier": str(one.tier_id), "repository": str(one.repository_id),
               "tls_mode": "require", "password": ""}  # fmt: skip
    assert lead.post("/instances/orders/edit/", values).status_code == 302
    changed = Instance.objects.get()
    assert (changed.environment, changed.tls_mode) == ("staging", "require")
    assert changed.password_sealed == one.password_sealed


def test_a_key_is_rotated_only_by_typing_its_name():
    seed.key(clock.now())
    lead = signed_in()
    assert lead.post("/keys/rotate/", {"key_id": "local"}).status_code == 400
    assert not Job.objects.exists()
    answer = lead.post("/keys/rotate/", {"key_id": "local-2026-11"})
    assert answer.headers["location"] == f"/jobs/{Job.objects.get(task='catalog.tasks.run_key_rotation').pk}/"


def test_the_audit_page_says_what_was_proved_and_what_came_since():
    lead = signed_in()
    lead.post("/audit/prove/")
    assert "A proof of the chain is under way." in text(lead, "/audit/")
    events = AuditEvent.objects.count()
    Job.objects.update(
        state="succeeded", finished_at=clock.now(), started_at=clock.now(), result={"events": events}
    )
    assert f"{events} events" in text(lead, "/audit/")
    lead.post("/stop/raise/", {"reason": "x"})
    assert "1 event has been added since" in text(lead, "/audit/")
    Job.objects.update(state="failed", error_message="The audit chain is broken at event 1: x.")
    assert "broken at event 1" in text(lead, "/audit/")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (2.44, "2.4 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (180000, "2 d 2 h")],
)
def test_durations_in_two_units(seconds: float, words: str):
    assert show.short_duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (812, "812 B"), (1 << 20, "1.00 MiB"), (1000, "0.98 KiB"), (1 << 50, "1024 TiB")],
)
def test_sizes_in_three_digits(count: int, words: str):
    assert show.short_size(count) == words


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "0 days"), (1, "1 day"), (30, "30 days"), (365, "1 year"), (366, "366 days"), (2555, "7 years")],
)
def test_how_long_something_is_kept_in_years_where_they_are_whole(days: int, words: str):
    assert show.days(days) == words


def test_names_of_databases_and_programs_are_not_reworded():
    assert show.check_name("row counts of order_items") == "Row counts of order_items"
    assert show.check_name("pg_amcheck of order_items") == "pg_amcheck of order_items"


def test_a_jobs_result_is_told_in_units_and_in_ones_own_time():
    told = {"bytes": 17_316_861, "objects": 3, "oldest_read_at": "2026-11-22T15:07:58.000Z", "made_at": "?"}
    job = seed.job(seed.instance("orders", seed.repository()), clock.now(), "succeeded", result=told)
    lead = signed_in()
    lead.post("/preferences/", {"theme": "dark", "time_zone": "Europe/Berlin"})
    page = text(lead, f"/jobs/{job.pk}/")
    assert "Bytes 16.5 MiB" in page and "2026-11-22 16:07:58 CET" in page and "Made at ?" in page


def test_a_stored_password_is_told_beside_its_field():
    one = seed.instance("orders", seed.repository(), password_sealed="anything")
    page = text(signed_in(), "/instances/orders/edit/")
    assert one.has_password and "One is stored. Leave this empty to keep it." in page
    assert "Leave this empty" not in text(signed_in(), "/add/instance/")


def test_the_audit_is_read_in_words():
    with transaction.atomic():
        audit_record(
            actor="lead", verb="backup.checked", data={"from_state": "stored", "to": "a\u202eb", "n": 3}
        )
    page = text(signed_in("auditor"), "/audit/")
    assert "from state stored" in page and "n 3" in page and "to a\\u202eb" in page
    assert "{&quot;" not in page
