"""Run the rescue in a process in which importing Django, or anything that stands on it, fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any

FORBIDDEN = {"django", "django_q", "guardian", "catalog", "restores", "compliance"}


class Refusing(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        if name.partition(".")[0] in FORBIDDEN or name.startswith("dataprotect.ops"):
            raise ImportError(f"the rescue imported {name}")


if __name__ == "__main__":
    sys.meta_path.insert(0, Refusing())
    from dataprotect.rescue.__main__ import main

    code = main(sys.argv[1:])
    assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
    sys.exit(code)
