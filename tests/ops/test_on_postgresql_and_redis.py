"""What leans on the database itself once more, on PostgreSQL and Redis instead of SQLite and its own broker:
jobs, the audit chain, and who may sign.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ops.conftest import ROOT
from tests.servers.postgresql import PostgresServer

SUITE = [
    *(
        f"tests/ops/test_{name}.py"
        for name in ("workers", "foreground", "lease", "states", "audit_chain", "stop", "commands")
    ),
    "tests/restores/test_approval_triggers.py",
    "tests/restores/test_ways_around.py::test_two_signers_at_once_in_one_role_are_one",
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif("OPS_TESTS_DATABASE_URL" in os.environ, reason="this is the second run")
def test_jobs_audit_and_signatures_on_postgresql_and_redis(
    postgres15: PostgresServer, redis_url: str, tmp_path: Path
) -> None:
    with postgres15.connect() as session:
        session.execute("CREATE DATABASE ops_suite")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL") if name in os.environ}
    environment |= {
        "OPS_TESTS_DATABASE_URL": f"postgresql://postgres:{postgres15.password}@127.0.0.1:{postgres15.port}/ops_suite",
        "OPS_TESTS_BROKER_URL": redis_url,
    }
    report = tmp_path / "report.xml"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ds=tests.ops.settings_on_servers",
         f"--junitxml={report}", f"--basetemp={tmp_path / 'inner'}",
         *SUITE],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    for name in ("test_writers_at_once_keep_one_chain", "test_two_signers_at_once_in_one_role_are_one"):
        assert name in report.read_text()
    with postgres15.connect() as session:
        session.execute("DROP DATABASE ops_suite WITH (FORCE)")
