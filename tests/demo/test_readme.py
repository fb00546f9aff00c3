"""The README's commands, copied out of it and run against a real server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.demo.running import ROOT
from tests.servers.postgresql import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PASSWORD = "choose-a-long-one"
NOT_RUN = ("make ", "export ")
"""Set-up and serving have tests of their own."""


def blocks(language: str) -> list[str]:
    return [text for found, text in FENCE.findall(README) if found == language]


def commands() -> list[list[str]]:
    """Every line of every `sh` block as words; a backslash joins lines."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line and not line.startswith(NOT_RUN)]


class Reader:
    """Somebody who types what the README says, with the names of their own places."""

    def __init__(self, server: PostgresServer, home: Path, workdir: Path) -> None:
        self.places = workdir / f"readme-{server.port}"
        self.places.mkdir(mode=0o711)
        self.backup_id = "BACKUP_ID"
        self.home = home
        password = self.places / "orders.password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        self.replacements = {
            "db1.example.org": "127.0.0.1",
            "5432": str(server.port),
            "/root/orders.password": str(password),
            "/srv/dataprotect": str(home),
            "/srv/": f"{self.places}/",
        }

    def type(self, words: list[str]) -> str:
        """Run one command; its output. Fails the test unless it exits 0."""
        argv = [self._own(word) for word in words]
        if argv[0] == ".venv/bin/python":
            argv[0] = sys.executable
        done = subprocess.run(
            argv, cwd=ROOT, env={**os.environ, "DATAPROTECT_HOME": str(self.home)}, timeout=300,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{shlex.join(argv)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def _own(self, word: str) -> str:
        for example, own in {**self.replacements, "BACKUP_ID": self.backup_id}.items():
            word = word.replace(example, own)
        return word


@pytest.fixture
def reader(make_postgres, home: Path, workdir: Path) -> Iterator[Reader]:
    server = make_postgres()
    with server.connect() as connection:
        for statement in "\n".join(blocks("sql")).split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(
            "CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 1000) n"
        )
        connection.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
    yield Reader(server, home, workdir)


def test_what_the_readme_says_works_as_written(reader: Reader, make_postgres) -> None:
    said = ""
    for words in commands():
        if "BACKUP_ID" in words and reader.backup_id == "BACKUP_ID":
            reader.backup_id = re.search(r"\borders-\d{8}T\d{6}Z-full-\w+", said).group()  # type: ignore[union-attr]
        said += reader.type(words)
    for folder in ("restored", "rescued"):
        assert list((reader.places / folder).rglob("PG_VERSION")), f"nothing was restored into {folder}"


def test_the_examples_of_the_readme_are_the_ones_replaced_here() -> None:
    joined = "\n".join(shlex.join(words) for words in commands())
    for example in ("db1.example.org", "--port 5432", "/root/orders.password", "/srv/", "BACKUP_ID"):
        assert example in joined
    assert PASSWORD in "\n".join(blocks("sql"))
    for door in (
        "add_repository",
        "add_instance",
        "probe",
        "backup",
        "verify",
        "restore_files",
        "verify_audit",
    ):
        assert f"manage.py {door}" in joined
    for action in ("list", "verify", "restore"):
        assert f"dataprotect.rescue {action}" in joined


def test_every_document_the_readme_names_is_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) >= 6
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_rights_in_the_readme_are_the_ones_the_demo_gives() -> None:
    """The demo proves on every run that they are enough."""
    from restores.demo.contents import BACKUP_USER_RIGHTS

    sql = " ".join(" ".join(blocks("sql")).split())
    for statement in BACKUP_USER_RIGHTS[1:]:
        for right in re.findall(r"pg_\w+", statement):
            assert right in sql


def test_the_backup_user_is_no_superuser(reader: Reader) -> None:
    address = {"host": "127.0.0.1", "port": int(reader.replacements["5432"]), "user": "dataprotect"}
    with psycopg.connect(**address, password=PASSWORD, dbname="postgres", autocommit=True) as connection:  # type: ignore[arg-type]
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (False,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM orders")
