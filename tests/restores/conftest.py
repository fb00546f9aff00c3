"""The installation of the catalog's tests serves here too, and a protected server with two databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataprotect.ops import lease
from dataprotect.ops.models import Job
from tests.catalog.conftest import (
    installation,
    make_instance,
    person,
    repository,
)
from tests.ops.conftest import ROOT, worker_environment
from tests.restores import scene as scenes
from tests.restores.scene import LEDGER, SHOP, Scene
from tests.restores.signing import dba, orders, reachable
from tests.servers.postgresql import PostgresServer

__all__ = ["dba", "installation", "make_instance", "orders", "person", "reachable", "repository"]
Worker = Callable[..., str]


@pytest.fixture
def scene(transactional_db: None, postgres15: PostgresServer, tmp_path: Path) -> Iterator[Scene]:
    """`shop` and `ledger` as they are at the beginning, registered and backed up."""
    scenes.fresh(postgres15, SHOP, LEDGER)
    yield scenes.protect(postgres15, tmp_path / "cellar")
    scenes.drop_clones()
    scenes.fresh(postgres15)


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Worker]:
    """`worker(job, "replace.swapped")`: a process takes the job and dies there."""
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.restores.dying_workers"], cwd=ROOT, text=True,
        env=worker_environment(DJANGO_SETTINGS_MODULE="dataprotect.settings"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert nursery.stdin is not None and nursery.stdout is not None

    def one(job: Job, step: str = "") -> str:
        lease.release_dead()
        print(f"{job.pk} {step}".strip(), file=nursery.stdin, flush=True)
        return nursery.stdout.readline().strip()  # type: ignore[union-attr]

    yield one
    nursery.stdin.close()
    nursery.wait(timeout=60)
