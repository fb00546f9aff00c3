"""Children of a command that was killed before it could say so do not begin."""

from __future__ import annotations

import os
import subprocess
import sys

from dataprotect.ops.serving import _BEGIN

HELLO = (sys.executable, "-c", "print('begun')")


def begun(parent: int) -> str:
    argv = [sys.executable, "-I", "-S", "-c", _BEGIN, str(parent), *HELLO]
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


def test_a_child_begins_only_under_the_parent_that_made_it():
    assert begun(os.getpid()) == "begun\n"
    assert begun(os.getpid() + 1) == ""
