"""A password that is planted once is looked for everywhere after backups that failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.ops.conftest import ROOT, living_members
from tests.servers.postgresql import PostgresServer

PASSWORD = "Pl4nted 'Geheim%40\"wort-4711"
FORMS = {
    PASSWORD,
    quote(PASSWORD),
    json.dumps(PASSWORD)[1:-1],
    repr(PASSWORD)[1:-1],
    PASSWORD.replace("'", "\\'"),
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Installation:
    """A home of its own and commands on it; `said` keeps all they said, `seen` what `ps` would have shown."""

    def __init__(self, folder: Path) -> None:
        self.home, self.said, self.seen = folder / "home", b"", b""

    def command(self, *words: str, settings: str = "dataprotect.settings") -> int:
        environment = {
            "PATH": os.environ["PATH"], "DATAPROTECT_HOME": str(self.home),
            "DJANGO_SETTINGS_MODULE": settings,
            "EMERGENCY_STOP_FILE": str(self.home.parent / "stop"), "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        child = subprocess.Popen(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        watcher = threading.Thread(target=self._watch, args=[child])
        watcher.start()
        self.said += child.communicate()[0]
        watcher.join()
        return child.returncode

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        """The arguments and the environment of the command and of all its children, while it runs."""
        while child.poll() is None:
            for pid in living_members(child.pid):
                for part in ("cmdline", "environ"):
                    try:
                        self.seen += Path(f"/proc/{pid}/{part}").read_bytes()
                    except OSError:
                        continue
            time.sleep(0.05)

    def files(self) -> Iterator[Path]:
        return (place for place in self.home.rglob("*") if place.is_file())


def places_with(found: Callable[[bytes], bool], installation: Installation) -> list[str]:
    places = {str(file): file.read_bytes() for file in installation.files()}
    places |= {"what the commands said": installation.said, "arguments and environments": installation.seen}
    return [name for name, content in places.items() if found(content)]


def test_a_planted_password_is_nowhere_after_failing_backups(
    make_postgres: Callable[..., PostgresServer],
) -> None:
    server = make_postgres()
    folder = server.folder.parent / f"planted-{os.getpid()}"
    folder.mkdir(mode=0o711)
    installation = Installation(folder)
    password_file = folder / "home.password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o600)
    with server.connect() as session:
        session.execute("CREATE ROLE keeper SUPERUSER REPLICATION LOGIN PASSWORD " + literal(PASSWORD))

    run = installation.command
    assert run("migrate", "-v0") == 0
    assert run("add_repository", "nas", str(folder / "nas")) == 0, installation.said.decode()
    added = run(
        "add_instance", "orders", "--engine", "postgresql", "--host", "127.0.0.1", "--port", str(server.port),
        "--user", "keeper", "--password-file", str(password_file), "--environment", "sandbox",
        "--tier", "standard", "--repository", "nas",
    )  # fmt: skip
    assert added == 0, installation.said.decode()

    assert run("backup", "orders", "--reader", "streamed", settings="tests.ops.blurting_settings") == 1
    with server.connect() as session:
        session.execute("ALTER ROLE keeper PASSWORD 'another'")
    assert run("backup", "orders") == 1
    server.stop()
    assert run("backup", "orders") == 1

    said = installation.said.decode()
    assert "reference" in said, "the first failure was a bug of ours"
    assert said.count("Traceback") == 0
    assert places_with(lambda content: b"could not go on as" in content, installation), (
        "the log was looked at"
    )
    assert b"manage.py\0backup" in installation.seen, "the children were looked at"
    for form in FORMS:
        assert places_with(lambda content, form=form: form.encode() in content, installation) == []


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
