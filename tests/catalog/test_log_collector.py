"""`collect_logs` as it runs: rows, fail-over between two of them, switching on and off, refusals."""

from __future__ import annotations

import json
import signal

import pytest

from tests.catalog.collecting import (
    QUICK,
    asked,
    collector,
    count,
    identifier,
    number,
    pgbench,
    position,
    revive,
    rows,
    state_of,
    stored_past,
    streaming,
    until,
)
from tests.catalog.installation import Installation


@pytest.fixture
def protected(installation: Installation, make_postgres):
    """An installation that streams the log of its only instance as soon as a collector runs."""
    server = make_postgres()
    installation.environment |= QUICK
    installation.add_repository()
    installation.add_instance(server)
    installation.answer("stream_logs", "orders", "on")
    return server


def test_rows_follow_the_log_and_a_polite_end_stores_all_of_it(installation, protected):
    with collector(installation) as process:
        streaming(installation)
        pgbench(protected, "-i", "-q", "-s", "1")
        stored_past(installation, position(protected))
        until(lambda: count(installation, "catalog_rposample"))
        slot = state_of(installation)["slot_name"]
        assert (
            asked(protected, f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot}'")
            == "reserved"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    stretches = rows(installation, "SELECT * FROM catalog_logstretch")
    assert len(stretches) == 1 and stretches[0]["end_at"]
    assert count(installation, "catalog_heartbeat") >= 2
    assert count(installation, "catalog_loggap") == 0
    worst = rows(installation, "SELECT max(exposure_seconds) AS s FROM catalog_rposample")[0]["s"]
    assert 0 <= worst < 60
    assert state_of(installation)["lease_owner"] == ""


def test_a_killed_collector_is_followed_without_a_gap(installation, protected, workdir):
    installation.answer("backup", "orders")
    with collector(installation, name="a") as first, collector(installation, name="b") as other:
        streaming(installation)
        owner = state_of(installation)["lease_owner"]
        [holder] = [each for each in (first, other) if f":{each.pid}:" in owner]
        with protected.connect() as connection:
            connection.execute("CREATE TABLE witness AS SELECT 1 AS n")
        pgbench(protected, "-i", "-q", "-s", "2")
        stored_past(installation, position(protected) - (1 << 20))
        holder.send_signal(signal.SIGKILL)
        with protected.connect() as connection:
            connection.execute("INSERT INTO witness SELECT generate_series(2, 1000)")
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("INSERT INTO witness VALUES (1001)")
        until(lambda: state_of(installation)["fencing"] >= 2)
        stored_past(installation, position(protected))
        assert count(installation, "catalog_loggap") == 0
        assert count(installation, "catalog_logstretch") == 1
        until(lambda: rows(installation, "SELECT * FROM catalog_backuplogcheck"))
    backup = rows(installation, "SELECT backup_id FROM catalog_backup")[0]["backup_id"]
    revived = revive(installation, backup, protected, workdir / "revived")
    try:
        assert asked(revived, "SELECT count(*) FROM witness") == 1001
        assert asked(revived, "SELECT count(*) FROM pgbench_accounts") == 200_000
    finally:
        revived.stop()


def test_switched_off_the_slot_goes(installation, protected):
    with collector(installation):
        streaming(installation)
        assert asked(protected, "SELECT count(*) FROM pg_replication_slots") == 1
        installation.answer("stream_logs", "orders", "off")
        until(lambda: asked(protected, "SELECT count(*) FROM pg_replication_slots") == 0)
        until(lambda: state_of(installation)["state"] == "off")
    installation.answer("stream_logs", "orders", "on")
    with protected.connect() as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('dataprotect_forgotten', true)")
    with collector(installation):
        streaming(installation)
        until(lambda: count(installation, "ops_alert", "rule = 'log_slot_orphaned'"))
    slots = installation.answer("log_slots", "orders", "--drop", "dataprotect_forgotten")
    assert slots["dropped"] is True
    assert [slot["instance"] for slot in slots["slots"]] == ["orders"]


def test_an_instance_that_is_removed_leaves_no_slot(installation, protected):
    with collector(installation):
        streaming(installation)
        assert asked(protected, "SELECT count(*) FROM pg_replication_slots") == 1
        assert installation.rows("Instance.objects.all().delete()[0]") >= 1
        until(lambda: asked(protected, "SELECT count(*) FROM pg_replication_slots") == 0)


def test_another_cluster_at_the_address_is_refused_until_it_is_accepted(
    installation, protected, make_postgres
):
    with collector(installation):
        streaming(installation)
        installation.answer("backup", "orders")
    other = make_postgres(version=17, start=False)
    protected.stop("fast")
    other.stop()
    conf = other.data / "postgresql.auto.conf"
    conf.write_text(f"port = {protected.port}\n")
    other.port = protected.port
    other.start()
    with collector(installation):
        until(lambda: state_of(installation)["state"] == "refused")
        assert state_of(installation)["last_error_code"] == "logs.another_cluster"
        until(lambda: count(installation, "ops_alert", "rule = 'log_refused'"))
        assert asked(other, "SELECT count(*) FROM pg_replication_slots") == 0
        refused = installation.run("backup", "orders", "--type", "incremental", "--json")
        assert refused.error == "repository.foreign_cluster"
        system = str(asked(other, "SELECT system_identifier::text FROM pg_control_system()"))
        wrong = installation.run("accept_cluster", "orders", system[::-1], "--json")
        assert wrong.error == "instance.not_that_cluster"
        assert installation.answer("accept_cluster", "orders", system)["system_identifier"] == system
        streaming(installation)
        until(
            lambda: count(installation, "ops_job", "task = 'catalog.tasks.run_backup' AND state = 'queued'")
        )
        until(lambda: count(installation, "ops_alert", "rule = 'log_refused' AND resolved_at IS NOT NULL"))
    upgraded = installation.answer("backup", "orders", "--type", "incremental")
    assert (upgraded["type"], upgraded["base_id"]) == ("full", "")
    assert "of PostgreSQL 15, and this is 17" in upgraded["type_reason"]
    other.stop("fast")
    protected.start()
    assert installation.run("backup", "orders", "--json").error == "repository.foreign_cluster"


def test_once_catches_up_and_ends(installation, protected):
    pgbench(protected, "-i", "-q", "-s", "1")
    done = installation.answer("collect_logs", "--once")
    [row] = done["collectors"]
    assert row["last_error"] == ""
    before = position(protected)
    done = installation.answer("collect_logs", "--once")
    assert number(done["collectors"][0]["shipped_position"]) >= before
    assert count(installation, "catalog_logstretch") == 1


def test_a_random_instant_is_tried_and_lost_log_is_an_alert(installation, protected):
    """The weekly test as the schedule starts it; then with the log gone from the repository."""
    with collector(installation):
        streaming(installation)
        installation.answer("backup", "orders")
        pgbench(protected, "-i", "-q", "-s", "1")
        stored_past(installation, position(protected))
        begun = count(installation, "catalog_heartbeat")
        until(lambda: count(installation, "catalog_heartbeat") >= begun + 2)
    good = ran_pitr_test(installation)
    assert good["state"] == "succeeded" and good["result"]["passed"] is True, good
    checks = {check["name"]: check for check in good["result"]["checks"]}
    assert checks["recovery target"]["found"].startswith("LSN ") and checks["schema of postgres"]["passed"]
    assert good["result"]["target"] in checks["recovery target"]["expected"]
    assert good["alerts"] == []
    [row] = rows(installation, "SELECT * FROM catalog_verification WHERE level = 'restore'")
    assert row["passed"] and row["rto_seconds"] > 0 and row["bytes_replayed"] > 0
    assert count(installation, "ops_auditevent", "verb = 'pitr_test.finished'") == 1

    for piece in (installation.repository / identifier(installation) / "logs").rglob("*"):
        if piece.is_file():
            piece.unlink()
    bad = ran_pitr_test(installation)
    assert bad["state"] == "failed" or bad["result"]["passed"] is False, bad
    assert bad["alerts"] == ["The last test of a random instant of orders failed."]


PITR_TEST = """
import json
from catalog.models import Instance
from catalog.services.alerts_evaluate import alerts_evaluate
from catalog.services.pitr_test_start import pitr_test_start
from dataprotect.ops import queue
from dataprotect.ops.models import Alert
with queue.foreground():
    job = pitr_test_start(actor="system:schedule", instance=Instance.objects.get())
job = queue.run_now(job)
alerts_evaluate()
told = list(Alert.objects.filter(rule="pitr_test_failed", state="open").values_list("title", flat=True))
print(json.dumps({"state": job.state, "result": job.result, "alerts": told}))
"""


def ran_pitr_test(installation):
    ran = installation.run("shell", "-v", "0", "-c", PITR_TEST)
    assert ran.code == 0, ran.out + ran.err
    return json.loads(ran.out.splitlines()[-1])
