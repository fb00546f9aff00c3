"""Verification at every level: good backups pass, damage is named, the clone is gone whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataprotect.core import steps
from dataprotect.core.errors import Cancelled
from dataprotect.core.progress import Silent
from dataprotect.engine.verify import Level
from tests.engine.postgresql import protected
from tests.engine.postgresql.conftest import INSTANCE
from tests.engine.postgresql.protected import Protected


@pytest.fixture(scope="module", params=[15, 17])
def source(
    request: pytest.FixtureRequest, workdir: Path, postgres_binaries: Callable[[int], Path]
) -> Iterator[Protected]:
    yield from protected.protect(workdir / f"verify{request.param}", postgres_binaries(request.param))


@pytest.mark.parametrize("level", ["checksum", "decode", "restore"])
def test_a_good_backup_passes(source: Protected, level: Level) -> None:
    outcome = source.verify(level)
    assert [check for check in outcome.checks if check.passed is False] == []
    assert outcome.passed
    assert all(check.expected and check.found for check in outcome.checks)
    if level == "restore":
        assert set(outcome.timings) == {"fetch", "recovery", "compare", "cleanup"}
        assert outcome.rto_seconds == pytest.approx(
            sum(outcome.timings.values()) - outcome.timings["cleanup"]
        )
    else:
        assert outcome.rto_seconds is None
    assert source.nothing_left()


@pytest.fixture
def damaged(source: Protected) -> Iterator[str]:
    """One byte in the middle of the first pack is different; the name of that object."""
    seal = source.bench.repository.seal(INSTANCE, source.backup_id)
    stored = next(item for item in seal.objects if item.name.startswith("packs/"))
    root = Path(source.bench.repository.url.removeprefix("file://"))
    file = root / (seal.folder + stored.name)
    mode, good = file.stat().st_mode, file.read_bytes()
    file.chmod(0o600)
    middle = len(good) // 2
    file.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    yield stored.name
    file.write_bytes(good)
    file.chmod(mode)


@pytest.mark.parametrize("level", ["checksum", "decode", "restore"])
def test_a_flipped_byte_fails_every_level_by_name(source: Protected, damaged: str, level: Level) -> None:
    outcome = source.verify(level)
    assert not outcome.passed
    said = " ".join(f"{check.name} {check.found}" for check in outcome.checks if check.passed is False)
    assert damaged in said
    assert source.nothing_left()


@pytest.mark.parametrize("step", ["verify.clone_ready", "verify.compared"])
def test_an_error_of_ours_leaves_no_clone(
    source: Protected, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(name: str) -> None:
        if name == step:
            raise RuntimeError("a bug")

    monkeypatch.setattr(steps, "hook", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        source.verify("restore")
    assert source.nothing_left()


def test_cancelling_the_comparison_leaves_no_clone(source: Protected) -> None:
    class CancelInComparison(Silent):
        comparing = False

        def phase(self, name: str, total_bytes: int | None = None) -> None:
            self.comparing = name == "compare"

        def checkpoint(self) -> None:
            if self.comparing:
                raise Cancelled()

    with pytest.raises(Cancelled):
        source.verify("restore", CancelInComparison())
    assert source.nothing_left()
