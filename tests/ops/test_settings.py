"""Settings: documented defaults, one sentence for a bad value, private files, a clean deployment check."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dataprotect.settings import home as settings_home
from tests.catalog.installation import RunPython
from tests.ops.conftest import ROOT
from tests.warm import fresh_python, warm_python


def manage(
    home: Path, *words: str, python: RunPython | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home.parent),
        "DATAPROTECT_HOME": str(home),
        **more,
    }
    run = python or warm_python().run
    return run(["manage.py", *words], env=environment, stdin="", timeout=180)


def shell(home: Path, expression: str, **more: str) -> str:
    run = manage(home, "shell", "-v0", "-c", f"from django.conf import settings; print({expression})", **more)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.fixture
def fresh_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_deployment_check_is_clean(fresh_home: Path) -> None:
    run = manage(
        fresh_home, "check", "--deploy", "--fail-level", "WARNING", ALLOWED_HOSTS="backup.example.org"
    )
    assert run.returncode == 0, run.stderr
    assert "no issues (0 silenced)" in run.stdout + run.stderr


def test_plain_http_is_seen_by_the_deployment_check(fresh_home: Path) -> None:
    run = manage(fresh_home, "check", "--deploy", "--fail-level", "WARNING", BEHIND_TLS="false")
    assert run.returncode == 1 and "SECURE_SSL_REDIRECT" in run.stderr


BAD = {
    "DEBUG": "perhaps",
    "WORKERS": "many",
    "BEHIND_TLS": "2",
    "TIME_ZONE": "Mars/Olympus",
    "LOG_LEVEL": "LOUD",
    "BROKER_URL": "amqp://user:geheim@host",
    "DATABASE_URL": "oracle://user:geheim@host/x",
    "JOB_LEASE_SECONDS": "-1",
    "RESTORE_HOOKS": '[["geheim", ""]]',
    "QUEUE_POLL_MILLISECONDS": "\u0665\u0660",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_one_sentence_and_not_repeated(fresh_home: Path, name: str) -> None:
    run = manage(fresh_home, "check", **{name: BAD[name]})
    assert run.returncode == 1
    assert f"The environment variable {name} is not usable: expected " in run.stderr
    assert "Traceback" not in run.stderr and "geheim" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 2, "what is wrong, and what to do"


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("CSRF_TRUSTED_ORIGINS", "backup.example.org", "ops.E001"),
        ("LOCAL_REPOSITORY_PREFIXES", "srv/backups", "ops.E002"),
        ("BUCKET_PREFIXES", "backups", "ops.E003"),
        ("CLONE_USER", "root", "ops.E004"),
    ],
)
def test_a_bad_combination_is_a_check_with_an_id(fresh_home: Path, name: str, value: str, check: str) -> None:
    run = manage(fresh_home, "check", **{name: value})
    if name == "CLONE_USER" and os.geteuid() != 0:
        pytest.skip("only root runs clones as somebody else")
    assert run.returncode == 1 and check in run.stderr and "Traceback" not in run.stderr


def test_the_web_server_gets_the_same_sentence(fresh_home: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import dataprotect.wsgi"], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "DATAPROTECT_HOME": str(fresh_home), "DEBUG": "perhaps"},
    )  # fmt: skip
    assert run.returncode == 4 and "DEBUG is not usable" in run.stderr and "Traceback" not in run.stderr


def test_everything_made_in_the_home_is_private(fresh_home: Path) -> None:
    old = os.umask(0)
    try:
        assert manage(fresh_home, "migrate", "-v0", python=fresh_python).returncode == 0
    finally:
        os.umask(old)
    modes = {place.name: stat.S_IMODE(place.stat().st_mode) for place in fresh_home.rglob("*")}
    walkable = 0o711 if os.geteuid() == 0 else 0o700
    assert stat.S_IMODE(fresh_home.stat().st_mode) == walkable, "root's clones run as somebody else, in it"
    assert {"db.sqlite3", "secret_key"} <= set(modes)
    assert [name for name, mode in modes.items() if mode & 0o077] == []


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o733, 0o777])
def test_a_home_others_may_read_or_write_is_refused(fresh_home: Path, mode: int) -> None:
    fresh_home.mkdir()
    fresh_home.chmod(mode)
    run = manage(fresh_home, "check")
    assert run.returncode == 1 and f"chmod 700 {fresh_home}" in run.stderr


def test_two_homes_never_meet(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    places = "settings.DATABASES['default']['NAME'], settings.CLONE_DIRECTORY, settings.LOGGING"
    assert str(two) not in shell(one, places) and str(one) not in shell(two, places)
    first, second = shell(one, "settings.SECRET_KEY"), shell(two, "settings.SECRET_KEY")
    assert first != second
    assert shell(one, "settings.SECRET_KEY") == first, "the key stays"


def test_processes_that_start_at_once_agree_on_the_key(fresh_home: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DATAPROTECT_HOME": str(fresh_home)}
    script = "from dataprotect.settings import SECRET_KEY; print(SECRET_KEY)"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(5)
    ]
    keys = {child.communicate()[0] for child in children}
    assert len(keys) == 1 and len(keys.pop().strip()) >= 50
    assert [p.name for p in fresh_home.iterdir() if "secret_key" in p.name] == ["secret_key"]


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [("word", 0o600, "shorter"), ("x" * 60, 0o644, "0644"), ("", 0o600, "shorter")],
)
def test_a_key_file_that_keeps_no_secret_is_refused(
    tmp_path: Path, content: str, mode: int, why: str
) -> None:
    from dataprotect.core.errors import ForeseenError

    file = tmp_path / "key"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ForeseenError, match=why) as refusal:
        settings_home.secret_key(file)
    assert not content or content not in refusal.value.message


def test_sqlite_is_set_up_for_several_processes(fresh_home: Path) -> None:
    manage(fresh_home, "migrate", "-v0")
    pragmas = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
    query = f"[connection.cursor().execute('PRAGMA ' + p).fetchone()[0] for p in {pragmas}]"
    found = shell(fresh_home, f"(lambda connection: {query})(__import__('django.db').db.connection)")
    assert found == "['wal', 1, 30000, 2]"
    assert shell(fresh_home, "settings.DATABASES['default']['OPTIONS']['transaction_mode']") == "IMMEDIATE"


def test_no_page_may_run_inline_code(fresh_home: Path) -> None:
    policy = shell(fresh_home, "settings.CONTENT_SECURITY_POLICY")
    assert "'default-src': [\"'self'\"]" in policy and "unsafe" not in policy


def test_the_broker_follows_its_address(fresh_home: Path) -> None:
    assert shell(fresh_home, "settings.Q_CLUSTER.get('orm')") == "default"
    redis = "redis://127.0.0.1:6379/3"
    assert shell(fresh_home, "settings.Q_CLUSTER['redis']", BROKER_URL=redis).startswith(redis)


def test_the_queues_clock_is_beyond_any_job(fresh_home: Path) -> None:
    queue = (
        "(settings.Q_CLUSTER['retry'] > settings.Q_CLUSTER['timeout'], settings.Q_CLUSTER['ack_failures'])"
    )
    assert shell(fresh_home, queue) == "(True, True)"


def test_clones_fall_back_when_their_user_cannot_walk_into_the_home(fresh_home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs clones as somebody else")
    place = "__import__('dataprotect.ops.home', fromlist=['x']).clones()"
    closed = Path(shell(fresh_home, place, CLONE_USER="postgres"))
    try:
        assert re.fullmatch(r"/var/tmp/dataprotect-[0-9a-f]{12}", str(closed))
        assert stat.S_IMODE(closed.stat().st_mode) == 0o711
    finally:
        closed.rmdir()


def test_every_setting_is_documented_with_its_default() -> None:
    words = (ROOT / "docs" / "operations.md").read_text()
    code = "".join(file.read_text() for file in (ROOT / "dataprotect" / "settings").glob("*.py"))
    names = set(re.findall(r'(?:text|flag|number|choice|names|path)\(\s*"([A-Z_]+)"', code))
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in words] == []
