"""The stages of the demo, in the order in which they are shown.

A stage is one module: a TITLE, and `run(scene)`, which tells what it does, raises ForeseenError for what was
not proved, and returns what goes into the JSON summary. The next stage finds that in `scene.summary`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from restores.demo.scene import Scene
from restores.demo.stages import accident, audit, changes, continuous, protection, rescue


@dataclass(frozen=True, slots=True)
class Stage:
    title: str
    run: Callable[[Scene], dict[str, Any]]


STAGES = (
    Stage(protection.TITLE, protection.run),
    Stage(continuous.TITLE, continuous.run),
    Stage(changes.TITLE, changes.run),
    Stage(accident.TITLE, accident.run),
    Stage(rescue.TITLE, rescue.run),
    Stage(audit.TITLE, audit.run),  # the last one: the chain of all that the others did
)
