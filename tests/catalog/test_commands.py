"""The commands of the issue, as a script calls them: exit codes, the last line, what people read."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from dataprotect.core.identifiers import BACKUP_ID
from tests.catalog.installation import Installation
from tests.servers.postgresql import PostgresServer, free_port

BACKUP_KEYS = {
    "backup_id", "type", "state", "reader", "files", "bytes_read", "bytes_stored", "seconds",
    "start_position", "stop_position", "peak_memory", "base_id", "parents", "type_reason",
}  # fmt: skip


def test_from_nothing_to_a_restore_tested_backup(
    installation: Installation, postgres: PostgresServer
) -> None:
    assert installation.add_repository()["url"] == str(installation.repository)
    added = installation.add_instance(postgres, "orders", "--data-directory", str(postgres.data))
    assert added["server_version"].startswith(str(postgres.major))
    assert added["encrypted"] is False

    probed = installation.answer("probe", "orders")
    assert probed["system_identifier"] == added["system_identifier"]
    assert "postgres" in [database["name"] for database in probed["databases"]]

    taken = installation.answer("backup", "orders")
    assert set(taken) == BACKUP_KEYS
    assert BACKUP_ID.fullmatch(taken["backup_id"])
    assert (taken["type"], taken["state"], taken["reader"]) == ("full", "checked", "local")
    assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", taken["stop_position"])
    assert 0 < taken["bytes_stored"] < taken["bytes_read"]
    assert 0 < taken["peak_memory"] < 300 << 20

    for level in ("checksum", "decode", "restore"):
        proved = installation.answer("verify", taken["backup_id"], "--level", level)
        assert set(proved) == {"passed", "checks", "seconds", "rto_seconds"}
        assert proved["passed"] is True
        assert all(set(check) == {"name", "passed", "expected", "found"} for check in proved["checks"])
        assert (proved["rto_seconds"] is not None) == (level == "restore")
    state = "Backup.objects.get().state"
    assert installation.rows(state) == "restore_tested"
    assert installation.rows("Instance.objects.get().rto_evidence.rto_seconds") > 0
    assert installation.answer("verify_audit")["passed"] is True


def test_the_streamed_reader_by_name(installation: Installation, postgres15: PostgresServer) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken = installation.answer("backup", "orders", "--type", "full", "--reader", "streamed")
    assert (taken["reader"], taken["state"]) == ("streamed", "checked")
    assert installation.answer("verify", taken["backup_id"], "--level", "decode")["passed"] is True


def test_people_read_sentences(installation: Installation, postgres15: PostgresServer) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    ran = installation.run("backup", "orders")
    assert ran.code == 0
    assert "is checked." in ran.out.splitlines()[0]
    assert not ran.out.rstrip().endswith("}")
    refused = installation.run("backup", "nosuch")
    assert (refused.code, refused.out) == (1, "")
    assert "nosuch" in refused.err
    assert "Traceback" not in refused.err


def test_a_failure_is_one_object_with_code_message_action(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    cases = {
        "instance.not_found": ["backup", "nosuch"],
        "backup.not_found": ["verify", "nosuch", "--level", "checksum"],
        "input.backup_id": ["verify", "../../etc", "--level", "checksum"],
        "repository.not_found": ["rebuild_catalog", "nosuch"],
        "clone.not_found": ["drop_clone", "clone-000000000000"],
        "input.path": ["add_repository", "other", "/proc/../etc"],
        "input.repository_name": ["add_repository", "a b", "/tmp/x"],
        "input.name": ["add_repository", "local", str(installation.repository)],
    }
    for code, words in cases.items():
        ran = installation.run(*words, "--json")
        assert ran.code == 1, words
        assert set(ran.json) == {"error"}
        assert set(ran.json["error"]) == {"code", "message", "action"}
        assert ran.error == code
        assert ran.json["error"]["message"] in ran.err
        assert "Traceback" not in ran.err


def test_wrong_usage_exits_2(installation: Installation) -> None:
    for words in (
        ["backup"],
        ["backup", "orders", "--type", "partial"],
        ["backup", "orders", "--reader", "quick"],
        ["verify", "x", "--level", "deep"],
        ["verify", "x"],
        ["add_instance", "orders"],
        ["restore_files", "x"],
    ):
        assert installation.run(*words).code == 2, words


@pytest.mark.parametrize("words", [("backup", "orders"), ("verify_audit",), ("jobs",)])
def test_a_home_that_was_not_migrated_says_so(home: Path, words: tuple[str, ...]) -> None:
    ran = Installation(home).run(*words, "--json")
    assert (ran.code, ran.error) == (1, "catalog.not_migrated")


@pytest.mark.parametrize("words", [("backup", "orders", "--json"), ("verify_audit", "--json"), ("migrate",)])
def test_a_catalog_database_that_does_not_answer_is_one_sentence(home: Path, words: tuple[str, ...]) -> None:
    address = f"postgresql://owner:geheim@127.0.0.1:{free_port()}/catalog"
    ran = Installation(home, DATABASE_URL=address).run(*words)
    assert ran.code == 1
    assert "DATABASE_URL names cannot be connected to" in ran.err
    assert "Traceback" not in ran.err and "geheim" not in ran.out + ran.err
    if "--json" in words:
        assert ran.error == "catalog.unreachable"


def test_a_server_that_does_not_answer_is_not_registered(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    words = installation.instance_words(postgres15)
    refused = installation.run(*words, "--json", stdin="wrong-password")
    assert (refused.code, refused.error) == (1, "connection.password")
    assert installation.rows("Instance.objects.count()") == 0
    later = installation.run(*words, "--no-probe", "--json", stdin="wrong-password")
    assert later.code == 0
    assert installation.run("probe", "orders", "--json").error == "connection.password"
    bare = installation.instance_words(postgres15, "nopassword")
    del bare[bare.index("--password-file") : bare.index("--password-file") + 2]
    without = installation.run(*bare, "--json")
    assert without.error == "connection.password_missing"
    assert len(without.err.splitlines()) == 2, "the sentence and what to do; libpq adds no warning of its own"
    assert "refused" in installation.rows("Instance.objects.get().probe_problem")
    changed = installation.answer("change_instance", "orders", "--password-file", "-", stdin="superword")
    assert changed["has_password"] is True
    assert installation.answer("probe", "orders")["databases"]
    assert installation.rows("Instance.objects.get().probe_problem") == ""


def test_what_was_not_read_back_as_written_is_never_called_checked(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    good = installation.answer("backup", "orders")["backup_id"]
    installation.environment["DJANGO_SETTINGS_MODULE"] = "tests.catalog.lying_disk_settings"
    ran = installation.run("backup", "orders", "--json")
    del installation.environment["DJANGO_SETTINGS_MODULE"]
    assert (ran.code, ran.error) == (1, "backup.not_readable")
    states = installation.rows("{b.backup_id: b.state for b in Backup.objects.all()}")
    assert states.pop(good) == "checked" and list(states.values()) == ["damaged"]
    assert installation.rows("Instance.objects.get().last_good_backup.backup_id") == good


def test_another_cluster_at_the_address_and_a_reader_that_cannot_read_are_refused(
    installation: Installation, postgres15: PostgresServer, postgres17: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15, "orders", "--data-directory", str(installation.home / "nowhere"))
    unread = installation.run("backup", "orders", "--reader", "local", "--json")
    assert (unread.code, unread.error) == (1, "backup.local_unavailable")
    installation.answer("backup", "orders")
    installation.answer("change_instance", "orders", "--port", str(postgres17.port))
    assert installation.run("probe", "orders", "--json").error == "instance.another_server"
    noted = "Instance.objects.get().probe_problem"
    assert "is not the one registered as orders" in installation.rows(noted), "the alert says it"
    assert installation.run("backup", "orders", "--json").error == "repository.foreign_cluster"
    assert installation.rows("Backup.objects.count()") == 1


def test_password_files_that_others_can_read_are_refused(
    installation: Installation, postgres15: PostgresServer, tmp_path: Path
) -> None:
    installation.add_repository()
    file = tmp_path / "password"
    words = [word if word != "-" else str(file) for word in installation.instance_words(postgres15)]
    assert installation.run(*words, "--json").error == "password_file.unreadable"
    file.write_text("superword\n")
    for mode in (0o644, 0o640, 0o604):
        file.chmod(mode)
        assert installation.run(*words, "--json").error == "password_file.exposed"
    file.chmod(0o600)
    assert installation.answer(*words)["name"] == "orders"


def test_a_damaged_backup_fails_the_command_and_names_the_object(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken = installation.answer("backup", "orders")
    pack = next(installation.repository.rglob("packs/*"))
    with pack.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    ran = installation.run("verify", taken["backup_id"], "--level", "checksum", "--json")
    assert (ran.code, ran.json["passed"], ran.error) == (1, False, "backup.damaged")
    assert any(str(pack.relative_to(installation.repository)) in str(check) for check in ran.json["checks"])
    assert installation.rows("Backup.objects.get().state") == "damaged"
    assert installation.rows("Instance.objects.get().last_good_at") is None


def test_keys_rotate_and_old_backups_still_open(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken = installation.answer("backup", "orders")
    before = {file: file.stat().st_mtime_ns for file in installation.repository.rglob("*") if file.is_file()}
    rotated = installation.answer("rotate_key")
    assert rotated["data_keys_wrapped"] == 1
    assert rotated["passwords_resealed"] == 1
    assert all(file.stat().st_mtime_ns == when for file, when in before.items())
    assert installation.rows("[k.key_id for k in EncryptionKey.objects.filter(is_current=True)]") == [
        rotated["key_id"]
    ]
    assert installation.answer("verify", taken["backup_id"], "--level", "decode")["passed"] is True
    assert installation.answer("backup", "orders")["state"] == "checked"


def test_check_repository_finds_a_backup_that_is_gone(
    installation: Installation, postgres15: PostgresServer
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    taken = installation.answer("backup", "orders")
    assert installation.answer("check_repository", "local")["missing"] == []
    next(installation.repository.rglob("seal.json")).unlink()
    assert installation.answer("check_repository", "local")["missing"] == [taken["backup_id"]]
    assert installation.rows("Backup.objects.get().state") == "missing"
    ran = installation.run("verify", taken["backup_id"], "--level", "checksum", "--json")
    assert ran.error == "backup.missing"
    installation.repository.rename(installation.repository.with_name("moved"))
    try:
        assert installation.run("check_repository", "local", "--json").error == "repository.missing"
        assert installation.rows("Repository.objects.get().state") == "unreachable"
    finally:
        installation.repository.with_name("moved").rename(installation.repository)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_at_a_safe_point_and_leaves_nothing(
    installation: Installation, postgres15: PostgresServer, number: int
) -> None:
    installation.add_repository()
    installation.add_instance(postgres15)
    with postgres15.connect() as connection:
        connection.execute(
            "CREATE TABLE ballast AS"
            " SELECT g, md5(g::text) || md5((g + 1)::text) FROM generate_series(1, 400000) g"
        )
    try:
        process = installation.start("backup", "orders", "--json")
        deadline = time.monotonic() + 60
        while not list(installation.repository.rglob("begun.json")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
    finally:
        with postgres15.connect() as connection:
            connection.execute("DROP TABLE ballast")
    assert process.returncode == 1, out + err
    assert '"job.cancelled"' in out.splitlines()[-1]
    assert installation.rows("[job.state for job in Job.objects.filter(kind='run_backup')]") == ["cancelled"]
    assert installation.rows("Backup.objects.count()") == 0
    assert not list(installation.repository.rglob("seal.json"))
    assert not list(installation.repository.rglob("packs/*"))
    assert installation.answer("backup", "orders")["state"] == "checked"
