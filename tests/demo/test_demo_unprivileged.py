"""The demo as an ordinary user, which owns everything it makes, the server included."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.running import ROOT, RunningDemo, wait_until_none_is_left
from tests.servers.postgresql import unprivileged_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def _can_run_us(user: str) -> bool:
    """A checkout or an interpreter below root's own home is out of anybody else's reach."""
    words = ["runuser", "-u", user, "--", sys.executable, "-c", "import django, catalog"]
    try:
        return subprocess.run(words, cwd=ROOT, capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def test_an_ordinary_user_needs_nobody_else(home: Path) -> None:
    user = unprivileged_user()
    if user is None:
        pytest.skip("the whole suite runs as an ordinary user; tests/demo/test_demo.py is this test")
    if not _can_run_us(user):
        pytest.skip(f"{user} cannot reach this checkout or {sys.executable}")
    shutil.chown(home, user, user)
    argv = ["runuser", "-u", user, "--", sys.executable, "manage.py", "demo", "--headless"]
    demo = RunningDemo(home, argv=argv)
    try:
        assert demo.wait() == 0, demo.text
        assert demo.summary()["proved"] is True
        assert f"as user {user}" in demo.text
        owners = {entry.stat().st_uid for entry in (home / "demo").rglob("*")}
        assert owners == {home.stat().st_uid} and os.geteuid() not in owners
        assert wait_until_none_is_left(home, 5) == []
    finally:
        demo.end()
