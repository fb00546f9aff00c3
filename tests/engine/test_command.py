"""The only door to subprocesses: clean environment, checked exits, bounded output, nobody left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dataprotect.core.errors import Cancelled, ForeseenError
from dataprotect.core.progress import Silent
from dataprotect.engine import command, processes

PYTHON = sys.executable if not sys.executable.startswith("/root") else "/usr/bin/python3"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")


class CancelAfter(Silent):
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def checkpoint(self) -> None:
        if time.monotonic() > self._end:
            raise Cancelled()


def test_the_environment_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "planted")
    monkeypatch.setenv("LD_PRELOAD", "")
    said = command.run(["/usr/bin/env"], env={"PGAPPNAME": "x"}).stdout
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names == {"PATH", "LC_ALL", "TZ", "PGAPPNAME"}


@pytest.mark.parametrize("name", ["PGPASSWORD", "LD_PRELOAD", "PYTHONPATH"])
def test_nothing_else_may_be_added(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        command.run(["/bin/true"], env={name: "x"})


def test_an_exit_code_is_never_overlooked() -> None:
    with pytest.raises(command.CommandFailed) as failed:
        command.run(["/bin/ls", "/no-such-place"])
    assert failed.value.exit_code == 2
    assert "/no-such-place" in failed.value.message
    assert command.run(["/bin/ls", "/no-such-place"], accept=(2,)).exit_code == 2


def test_a_missing_program_is_said() -> None:
    with pytest.raises(ForeseenError) as failed:
        command.run(["/no/such/program"])
    assert failed.value.code == "command.missing"


def test_arguments_are_never_read_by_a_shell(tmp_path: Path) -> None:
    said = command.run(["/bin/echo", f"$(touch {tmp_path}/x); `id` && *"]).stdout
    assert said == f"$(touch {tmp_path}/x); `id` && *\n"
    assert not list(tmp_path.iterdir())


def test_output_is_bounded_and_its_end_is_kept() -> None:
    result = command.run([PYTHON, "-c", "print('x' * 5_000_000 + 'end')"], limit=1000)
    assert result.truncated
    assert len(result.stdout) <= 1000
    assert result.stdout.endswith("end\n")


class Counting(Silent):
    times = 0

    def checkpoint(self) -> None:
        self.times += 1


def test_lines_are_handed_over_as_they_come() -> None:
    lines: list[str] = []
    command.run([PYTHON, "-c", "print('one'); print('two')"], on_line=lines.append)
    assert lines == ["one", "two"]


@pytest.mark.parametrize("watched", [True, False])
def test_the_end_is_seen_with_and_without_the_kernels_help(
    watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if not watched:
        monkeypatch.setattr(os, "pidfd_open", unknown)
    before = set(Path("/proc/self/fd").iterdir())
    asked = Counting()
    result = command.run([PYTHON, "-c", "import time; time.sleep(0.5); print('done')"], reporter=asked)
    assert result.stdout == "done\n"
    assert asked.times >= 1
    assert set(Path("/proc/self/fd").iterdir()) == before
    with pytest.raises(command.CommandTimeout):
        command.run([PYTHON, "-c", "import time; time.sleep(60)"], timeout=0.1)


def test_a_failing_line_reader_ends_the_program_and_says_why() -> None:
    def refuse(line: str) -> None:
        raise RuntimeError(f"cannot use {line}")

    began = time.monotonic()
    with pytest.raises(RuntimeError, match="cannot use one"):
        command.run([PYTHON, "-uc", "print('one'); import time; time.sleep(60)"], on_line=refuse)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_the_whole_group_ends(how: str, tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    script = (
        "import os, subprocess, time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"child = subprocess.Popen(['/bin/sleep', '300']); open({str(noted)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(300)"
    )
    keywords = {"timeout": 1.5} if how == "timeout" else {"reporter": CancelAfter(1.5)}
    expected = command.CommandTimeout if how == "timeout" else Cancelled
    original, command.GRACE_SECONDS = command.GRACE_SECONDS, 1.0
    try:
        with pytest.raises(expected):
            command.run([PYTHON, "-c", script], **keywords)  # type: ignore[arg-type]
    finally:
        command.GRACE_SECONDS = original
    grandchild = int(noted.read_text())
    deadline = time.monotonic() + 5
    while processes.identify(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes.identify(grandchild) is None


@as_root
def test_root_becomes_the_servers_user_and_keeps_no_group_of_root() -> None:
    account = command.unprivileged_account("postgres")
    said = command.run(["/usr/bin/id"], account=account).stdout
    assert f"uid={account.uid}(postgres)" in said
    assert "(root)" not in said


@as_root
@pytest.mark.parametrize("user", ["nobody-of-this-name", "root"])
def test_an_account_that_cannot_be_used_is_refused(user: str) -> None:
    with pytest.raises(ForeseenError) as failed:
        command.unprivileged_account(user)
    assert failed.value.code == "account.missing"


def test_a_background_server_logs_to_its_own_private_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = command.background([PYTHON, "-uc", "print('hello'); import time; time.sleep(60)"], log=log)
    deadline = time.monotonic() + 10
    while log.read_text() != "hello\n" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert log.read_text() == "hello\n"
    assert log.stat().st_mode & 0o777 == 0o600
    command.end_group(process)
    assert process.returncode is not None


def test_a_process_is_told_from_another_with_its_id() -> None:
    mine = processes.myself()
    assert mine.is_alive()
    assert not processes.Process(mine.pid, mine.started + 1, mine.boot).is_alive()
    assert not processes.Process(mine.pid, mine.started, "another boot").is_alive()


def test_output_of_both_streams_never_blocks_the_program() -> None:
    script = "import sys\nfor _ in range(3000): sys.stderr.write('e'*100); sys.stdout.write('o'*100)"
    threads = threading.active_count()
    result = command.run([PYTHON, "-c", script], timeout=60)
    assert len(result.stdout) == len(result.stderr) == 300_000
    assert threading.active_count() == threads


def test_a_companion_ends_with_its_context() -> None:
    with command.companion() as pid:
        found = processes.identify(pid)
        assert found is not None and found.is_alive()
    assert not found.is_alive()


def test_a_companion_ends_when_its_process_is_killed() -> None:
    script = (
        "import os, signal, sys\nfrom dataprotect.engine import command\n"
        "with command.companion() as pid:\n"
        "    print(pid, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert ended.returncode == -signal.SIGKILL
    found = processes.identify(int(ended.stdout))
    deadline = time.monotonic() + 60
    while found is not None and found.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found is None or not found.is_alive()
