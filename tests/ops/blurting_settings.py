"""Settings of a child whose backup meets a bug of ours, and whose error text even contains the password."""

from pathlib import Path

from dataprotect.core import steps
from dataprotect.settings import *  # noqa: F403
from dataprotect.settings import DATAPROTECT_HOME

ROOT_URLCONF = "tests.ops.no_urls"


def blurt(name: str) -> None:
    if name.startswith("backup."):
        password = Path(f"{DATAPROTECT_HOME}.password").read_text()
        raise RuntimeError(f"at {name}: could not go on as {password}")


steps.hook = blurt
