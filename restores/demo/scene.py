"""What every stage of the demo works with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from catalog.models import Instance
from restores.demo.load import Load
from restores.demo.server import DemoServer
from restores.demo.story import Story


@dataclass
class Scene:
    """`check` raises when web, workers or collector are gone. `ends` is run when the demo ends, however it
    does. `summary` is what all stages before have found, under the names they gave it.
    """

    story: Story
    server: DemoServer
    instance: Instance
    check: Callable[[], None]
    ends: ExitStack
    summary: dict[str, Any]
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.server)
        self.ends.callback(self.load.stop)
