"""What `make setup` does where it may not install, and what the lock files promise."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from dataprotect.engine.databases.postgresql.page_sums import LIBRARY, by_library
from tests.demo.running import ROOT

LOCKS = ("requirements.txt", "tests/requirements.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh one: no .venv, and a machine whose tools say what the test wants."""
    shutil.copytree(ROOT / ".ci", tmp_path / "checkout" / ".ci")
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / "checkout" / name)
    return tmp_path / "checkout"


def set_up(
    checkout: Path, path: str | Path = "/usr/bin:/bin", **tools: str
) -> subprocess.CompletedProcess[str]:
    """Run `make setup` with these programs in front of the machine's own."""
    folder = checkout / "tools"
    folder.mkdir(exist_ok=True)
    for name, body in tools.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    return subprocess.run(
        ["make", "setup"], cwd=checkout, env={"PATH": f"{folder}:{path}", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_without_rights_it_names_the_one_command_and_the_reason(checkout: Path) -> None:
    done = set_up(
        checkout, id="echo 1000", sudo="exit 1", apt_get="exit 99",
        dpkg_query='case "$*" in *postgresql-15*) exit 1;; *) printf installed;; esac',
    )  # fmt: skip
    assert done.returncode != 0
    commands = [line.strip() for line in done.stderr.splitlines() if line.startswith("    ")]
    assert commands == [f"sudo {checkout}/.ci/packages.sh postgresql-15"]
    assert "this account may not install" in done.stderr
    assert not (checkout / ".venv").exists(), "nothing is half done"


def test_with_rights_it_installs_only_what_is_missing(checkout: Path) -> None:
    """The installing script itself is replaced: a test changes nothing on the machine."""
    asked = checkout / "asked"
    (checkout / ".ci/packages.sh").write_text(f'#!/bin/sh\necho "$*" >{asked}\nexit 7\n')
    done = set_up(
        checkout, id="echo 0", apt_get="exit 99",
        dpkg_query='case "$*" in *unixodbc*) exit 1;; *) printf installed;; esac',
    )  # fmt: skip
    assert done.returncode != 0, "a failed installation ends the set-up"
    assert asked.read_text() == "unixodbc\n"
    assert not (checkout / ".venv").exists()


@pytest.fixture
def installed(checkout: Path) -> Path:
    """All there but the library in C; its folder."""
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to("/bin/true")
    digest = hashlib.sha256((checkout / "requirements.txt").read_bytes()).hexdigest()
    (checkout / ".venv/.installed-requirements_txt").write_text(f"{digest}  -\n")
    folder = checkout / LIBRARY.parent.relative_to(ROOT)
    folder.mkdir(parents=True)
    shutil.copy(LIBRARY.with_name("page_sums.c"), folder)
    return folder


def test_what_is_in_c_is_built_once_and_again_when_its_source_is_newer(
    checkout: Path, installed: Path
) -> None:
    assert set_up(checkout, dpkg_query="printf installed").returncode == 0
    built = installed / LIBRARY.name
    assert by_library(built) is not None
    first = built.stat()
    set_up(checkout, dpkg_query="printf installed")
    assert built.stat().st_ino == first.st_ino
    os.utime(built, (1, 1))
    set_up(checkout, dpkg_query="printf installed")
    assert built.stat().st_ino != first.st_ino
    assert {each.name for each in installed.iterdir()} == {LIBRARY.name, "page_sums.c"}


def test_a_compiler_is_wanted_and_not_demanded(checkout: Path, installed: Path) -> None:
    asked = checkout / "asked"
    (checkout / ".ci/packages.sh").write_text(f'#!/bin/sh\necho "$*" >>{asked}\n')
    bare = checkout / "bare"
    bare.mkdir()
    for name in ("make", "sh", "dirname", "tr", "sha256sum", "cat", "mktemp", "rm", "python3"):
        (bare / name).symlink_to(Path("/usr/bin") / name)
    machine = {"path": bare, "dpkg_query": "printf installed", "apt_get": "exit 99"}
    assert set_up(checkout, id="echo 1000", sudo="exit 1", **machine).returncode == 0
    assert not asked.exists()
    assert set_up(checkout, id="echo 0", **machine).returncode == 0
    assert asked.read_text() == "gcc libc6-dev\n"
    assert {each.name for each in installed.iterdir()} == {"page_sums.c"}


def test_a_compiler_that_fails_stops_nothing_and_is_told(checkout: Path, installed: Path) -> None:
    done = set_up(checkout, dpkg_query="printf installed", cc="echo 'no stdint.h here' >&2; exit 1")
    assert done.returncode == 0
    assert "computed in Python" in done.stderr and "no stdint.h here" in done.stderr
    assert {each.name for each in installed.iterdir()} == {"page_sums.c"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_version_and_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.findall(r"^(\S.*?)(?<!\\)\n(?=\S|\Z)", text, re.MULTILINE | re.DOTALL)
    packages = [entry for entry in entries if not entry.startswith("#")]
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,0-9-]+\])?==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]
    assert "://" not in text and "--index" not in text, "where packages come from is the machine's business"


def test_everything_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {"requirements.txt": project["project"]["dependencies"]}
    wanted["tests/requirements.txt"] = project["dependency-groups"]["test"]
    for lock, names in wanted.items():
        locked = {line.split("==")[0].partition("[")[0] for line in (ROOT / lock).read_text().splitlines()}
        asked = {re.split(r"[\[=~<>]", name)[0].lower() for name in names}
        assert asked - locked == set(), lock


def test_shared_packages_have_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
