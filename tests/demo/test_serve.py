"""`make run`: web and workers started by one command, and stopped by it."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.demo.running import RunningDemo, processes_of, wait_until_none_is_left
from tests.servers.postgresql import free_port

pytestmark = [pytest.mark.slow]


def serve(home: Path, port: int) -> RunningDemo:
    words = [sys.executable, "manage.py", "serve", "--listen", f"127.0.0.1:{port}"]
    return RunningDemo(home, argv=words)


@pytest.fixture
def migrated_home(home: Path, migrated_database: Path) -> Path:
    """For what comes after the migration, which the first test waits for."""
    shutil.copy(migrated_database, home / "db.sqlite3")
    return home


def test_it_serves_until_it_is_asked_to_stop(home: Path) -> None:
    port = free_port()
    running = serve(home, port)
    try:
        running.wait_for("Press Ctrl-C")
        assert _answers(f"http://127.0.0.1:{port}/login/")
        assert len(processes_of(home)) > 3
        running.process.send_signal(signal.SIGTERM)
        assert running.wait() == 0, running.text
        assert wait_until_none_is_left(home, 5) == []
    finally:
        running.end()


def test_started_in_the_background_it_still_obeys_an_interrupt_and_nohup(migrated_home: Path) -> None:
    line = f"trap '' INT HUP; exec {sys.executable} manage.py serve --listen 127.0.0.1:{free_port()}"
    running = RunningDemo(migrated_home, argv=["sh", "-c", line])
    try:
        running.wait_for("Press Ctrl-C")
        running.process.send_signal(signal.SIGHUP)
        assert _ignores(running.process.pid, signal.SIGHUP) and running.process.poll() is None
        running.process.send_signal(signal.SIGINT)
        assert running.wait() == 0, running.text
        assert wait_until_none_is_left(migrated_home, 5) == []
    finally:
        running.end()


def test_a_taken_port_ends_it_with_a_sentence_and_no_process(migrated_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = serve(migrated_home, taken.getsockname()[1])
        try:
            assert running.wait() == 1, running.text
        finally:
            running.end()
    assert "The web server ended by itself" in running.text
    assert "Traceback" not in running.text
    assert wait_until_none_is_left(migrated_home, 5) == []


def _ignores(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def _answers(address: str) -> bool:
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.2)
    return False
