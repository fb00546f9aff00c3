"""`make demo` in one home: proved at first, killed, started again over the leftovers, interrupted."""

from __future__ import annotations

import http.cookiejar
import os
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.running import RunningDemo, processes_of, wait_until_none_is_left

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PASSWORD = re.compile(r"[a-z2-9]{4}(-[a-z2-9]{4}){3}")
ROLES = (
    "operator", "DBA", "Senior DBA", "DBA Lead", "Engineering Manager", "VP Engineering", "auditor",
)  # fmt: skip


@pytest.fixture(scope="module")
def demo_home(workdir: Path) -> Iterator[Path]:
    home = workdir / "demo-home"
    home.mkdir(mode=0o711)
    yield home
    assert wait_until_none_is_left(home, 0) == []


@pytest.fixture(scope="module")
def first(demo_home: Path) -> RunningDemo:
    """The first run of all, through make, as the README says."""
    demo = RunningDemo(demo_home, argv=["make", "--no-print-directory", "demo", "HEADLESS=1"])
    try:
        code = demo.wait()
    finally:
        demo.end()
    assert code == 0, demo.text
    return demo


def test_everything_is_proved_and_said_in_json(first: RunningDemo) -> None:
    summary = first.summary()
    assert summary["proved"] is True
    assert summary["server"]["databases"] >= 5
    assert summary["backup"]["state"] == "restore_tested"
    assert summary["backup"]["bytes_read"] > 150_000_000
    for level in ("checksum", "decode", "restore"):
        assert summary[level]["passed"] is True, summary[level]
        assert summary[level]["counts"]["failed"] == 0
    assert summary["restore"]["counts"]["passed"] >= 20
    assert summary["restore"]["rows_compared"] > 1_200_000
    assert summary["audit"]["passed"] is True
    assert 0 < summary["restore"]["rto_seconds"] < summary["seconds"]


def test_changes_and_log_are_kept_while_somebody_works(first: RunningDemo) -> None:
    summary = first.summary()
    assert summary["policy"]["name"] == "standard" and summary["policy"]["next_runs"]
    assert summary["streaming"]["position"]
    assert summary["load"]["rows_written"] > 0
    full, differential, incremental = (summary[name] for name in ("backup", "differential", "incremental"))
    assert (differential["type"], differential["base_id"]) == ("differential", full["backup_id"])
    assert (incremental["type"], incremental["base_id"]) == ("incremental", differential["backup_id"])
    assert incremental["bytes_stored"] < full["bytes_stored"]


def test_the_instant_before_the_accident_has_every_row(first: RunningDemo) -> None:
    accident = first.summary()["accident"]
    assert accident["rows_before"] > 1000
    assert accident["rows_in_clone"] == accident["rows_before"] and accident["digests_equal"] is True
    assert accident["rows_live"] < accident["rows_before"] <= accident["rows_deleted"]
    assert accident["reached_at"] < accident["instant"]


def test_the_rows_come_back_signed_by_a_second_person(first: RunningDemo) -> None:
    accident, rescue = first.summary()["accident"], first.summary()["rescue"]
    assert rescue["rows_inserted"] == accident["rows_before"]
    assert rescue["rows_live"] >= accident["rows_before"] + accident["rows_live"]
    assert rescue["signed_by"] == "senior-dba" and rescue["rto_seconds"] > 0


def test_each_proof_is_printed(first: RunningDemo) -> None:
    proofs = [line for line in first.lines if line.strip().startswith("proved:")]
    assert len(proofs) == 15, first.text
    assert not [line for line in first.lines if "FAILED" in line or "Traceback" in line]


def test_one_password_per_role_is_printed(first: RunningDemo) -> None:
    lines = [line for line in first.lines if PASSWORD.search(line)]
    assert len({PASSWORD.search(line).group() for line in lines}) == len(lines) == len(ROLES)  # type: ignore[union-attr]
    for role, line in zip(ROLES, lines, strict=True):
        assert f" {role} " in line


def test_no_process_is_left(first: RunningDemo, demo_home: Path) -> None:
    assert wait_until_none_is_left(demo_home, 5) == []


def test_nothing_is_left_of_the_clone(first: RunningDemo, demo_home: Path) -> None:
    clones = demo_home / "clones"
    assert not clones.exists() or not [entry for entry in clones.iterdir() if entry.is_dir()]


def test_a_killed_demo_takes_its_children_along(first: RunningDemo, demo_home: Path) -> None:
    demo = RunningDemo(demo_home, "--headless")
    try:
        demo.wait_for("repository ")
        assert len(processes_of(demo_home)) > 3
        demo.process.kill()
        demo.wait()
        assert wait_until_none_is_left(demo_home, 60) == []
    finally:
        demo.end()


def test_it_starts_over_leftovers_serves_and_ends_with_ctrl_c(first: RunningDemo, demo_home: Path) -> None:
    data = demo_home / "demo" / "server" / "data"
    if data.exists():
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    demo = RunningDemo(demo_home)
    try:
        demo.wait_for("Press Ctrl-C")
        assert not PASSWORD.search(demo.text), "passwords are printed once"
        address = demo.wait_for("address ").split()[-1]
        who, password = _somebody(first)
        assert _sign_in(address, who, password)
        assert not _sign_in(address, who, password + "x")
        demo.interrupt()
        assert demo.wait() == 0, demo.text
        assert wait_until_none_is_left(demo_home, 5) == []
    finally:
        demo.end()


def test_ctrl_c_in_the_middle_of_the_work_leaves_no_process(first: RunningDemo, demo_home: Path) -> None:
    demo = RunningDemo(demo_home, "--headless")
    try:
        demo.wait_for("proved: every frame")
        demo.interrupt()
        assert demo.wait() == 130, demo.text
        assert demo.summary()["proved"] is False
        assert wait_until_none_is_left(demo_home, 10) == []
    finally:
        demo.end()


def test_a_home_that_protects_something_else_is_refused(home: Path) -> None:
    demo = RunningDemo(home, argv=[sys.executable, "-c", REGISTER_ANOTHER])
    assert demo.wait() == 0, demo.text
    refused = RunningDemo(home, "--headless")
    assert refused.wait() == 1
    assert refused.summary()["error"]["code"] == "demo.home_in_use"


REGISTER_ANOTHER = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dataprotect.settings"
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from catalog.models import Tier
from catalog.services.repository_add import repository_add
from catalog.services.instance_add import instance_add
place = os.environ["DATAPROTECT_HOME"] + "/repository"
row = repository_add(actor="system:test", name="main", url="file://" + place)
tier = Tier.objects.first()
instance_add(actor="system:test", name="orders", host="127.0.0.1", user="u", tier=tier, repository=row)
"""


def _somebody(first: RunningDemo) -> tuple[str, str]:
    line = next(line for line in first.lines if line.strip().startswith("auditor "))
    return "auditor", line.split()[-1]


def _sign_in(address: str, name: str, password: str) -> bool:
    """Whether the sign-in page lets them in, through the form as a browser sends it."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = opener.open(f"{address}login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    form = {"login": name, "password": password, "csrfmiddlewaretoken": token.group(1)}
    request = urllib.request.Request(f"{address}login/", urllib.parse.urlencode(form).encode())
    request.add_header("Referer", f"{address}login/")
    opener.open(request).read()
    return any(cookie.name == "sessionid" for cookie in jar)
