"""The decision on whole installations, compared with what was once read and found right."""

from __future__ import annotations

import pytest

from tests.engine.retention.scenarios import GOLDEN, SCENARIOS, written


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_decision_is_the_one_written_down(name: str) -> None:
    assert written(SCENARIOS[name]()) == (GOLDEN / f"{name}.txt").read_text()


def test_every_golden_file_has_its_scenario() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SCENARIOS)
