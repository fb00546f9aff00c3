"""A command of the warm Python is given, and gives back, what a fresh one is and does."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.warm import ROOT, WarmPython, fresh_python

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT),
    "ONLY": "thïs",
}  # fmt: skip
EVERYTHING = """
import os, sys, time
print(sorted(os.environ.items()), sys.argv, os.getcwd(), time.tzname, __name__, sys.path[1:3])
print(sys.stdin.read(), sys.stdout.isatty(), sys.stdout.encoding, len(os.listdir("/proc/self/fd")))
print("erring", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmPython]:
    warm = WarmPython()
    yield warm
    warm.close()


def both(warm: WarmPython, *argv: str, stdin: str = "") -> tuple[tuple[int, str, str], ...]:
    ran = [run(argv, env=ENVIRONMENT, stdin=stdin, timeout=60) for run in (warm.run, fresh_python)]
    return tuple((each.returncode, each.stdout, each.stderr) for each in ran)


def test_words_environment_and_streams_are_the_commands_own(warm: WarmPython) -> None:
    for _ in range(2):
        ours, fresh = both(warm, "-c", EVERYTHING, "one", "two words", stdin="gïven\n")
        assert ours == fresh
    assert "thïs" in ours[1] and "two words" in ours[1] and "gïven" in ours[1]


@pytest.mark.parametrize(
    "program",
    [
        "pass", "raise SystemExit(3)", "raise SystemExit('a sentence')", "import os; os._exit(7)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import atexit; atexit.register(print, 'end')",
        "import threading; threading.Timer(0.1, print, ['later']).start()",
    ],
)  # fmt: skip
def test_it_ends_as_a_fresh_one_ends(warm: WarmPython, program: str) -> None:
    ours, fresh = both(warm, "-c", program)
    assert ours == fresh


def test_a_module_by_name(warm: WarmPython) -> None:
    ours, fresh = both(warm, "-m", "json.tool", "--compact", stdin='{"a": 1}')
    assert ours == fresh == (0, '{"a":1}\n', "")


def test_a_traceback_goes_to_standard_error(warm: WarmPython) -> None:
    (code, out, err), fresh = both(warm, "-c", "1 / 0")
    assert (code, out) == fresh[:2] == (1, "")
    assert err.splitlines()[-1] == fresh[2].splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_nothing_of_one_command_is_left_in_the_next(warm: WarmPython) -> None:
    first = "import os, numpy, random; numpy.left = os.environ['LEFT'] = 'x'; print(random.random())"
    second = "import os, numpy, random; print(random.random(), hasattr(numpy, 'left'), 'LEFT' in os.environ)"
    one = warm.run(["-c", first], env=ENVIRONMENT, stdin="", timeout=60)
    two = warm.run(["-c", second], env=ENVIRONMENT, stdin="", timeout=60)
    number, *left = two.stdout.split()
    assert left == ["False", "False"] and number != one.stdout.strip()


def test_one_that_hangs_is_killed_and_the_next_one_runs(warm: WarmPython) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(["-c", "import time; time.sleep(600)"], env=ENVIRONMENT, stdin="", timeout=0.5)
    assert warm.run(["-c", "print(1)"], env=ENVIRONMENT, stdin="", timeout=60).stdout == "1\n"


def test_two_threads_run_two_commands_at_the_same_time(warm: WarmPython) -> None:
    """Each one waits until the other has said something."""
    ends = os.pipe(), os.pipe()
    paths = [[f"/proc/{os.getpid()}/fd/{end}" for end in pair] for pair in ends]
    talk = (
        "import os, sys; os.write(os.open(sys.argv[1], 1), b'x'); print(os.read(os.open(sys.argv[2], 0), 1))"
    )
    said: list[str] = []

    def run(write: str, read: str) -> None:
        said.append(warm.run(["-c", talk, write, read], env=ENVIRONMENT, stdin="", timeout=60).stdout)

    threads = [
        threading.Thread(target=run, args=[paths[0][1], paths[1][0]]),
        threading.Thread(target=run, args=[paths[1][1], paths[0][0]]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pair in ends:
        for end in pair:
            os.close(end)
    assert said == ["b'x'\n"] * 2
