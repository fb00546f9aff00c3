"""What is checked of the folders a restore shall fill, before a byte is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.storage.backends import local_path

SPARE = 0.10
"""Asked for beyond the bytes to be written: recovery writes too."""


def check_targets(targets: Iterable[Path], repository_url: str) -> None:
    """Every folder is absolute, empty or absent, has a parent, and lies apart from the others and the
    repository.
    """
    folders = list(targets)
    for folder in folders:
        _check_empty(folder)
    repository = local_path(repository_url)
    for folder in folders:
        if repository is not None and _overlap(folder, repository):
            raise ForeseenError(
                "restore.inside_repository",
                f"The target {folder} and the repository {repository} lie inside one another.",
                "Choose a folder outside the repository.",
            )
    for one, other in permutations(folders, 2):
        if _inside(one, other):
            raise InvalidInput(
                "target", f"The folder {one} lies inside {other}; each needs a place of its own."
            )


def check_space(wanted: Mapping[Path, int]) -> None:
    """Each file system has room for what goes there and a tenth more. `wanted`: bytes by folder."""
    needed: dict[int, int] = {}
    shown: dict[int, Path] = {}
    for folder, size in wanted.items():
        existing = _existing(folder)
        device = existing.stat().st_dev
        needed[device] = needed.get(device, 0) + size
        shown.setdefault(device, existing)
    for device, size in needed.items():
        free = shutil.disk_usage(shown[device]).free
        if free < size * (1 + SPARE):
            raise ForeseenError(
                "restore.no_room",
                f"The disk of {shown[device]} has {free / 1e9:.2f} GB free; the restore needs "
                f"{size * (1 + SPARE) / 1e9:.2f} GB there.",
                "Free space or choose another target; nothing was written.",
            )


def _check_empty(folder: Path) -> None:
    if not folder.is_absolute() or ".." in folder.parts:
        raise InvalidInput("target", f"Expected an absolute path without '..', got {str(folder)!r}.")
    if "\n" in str(folder) or "\r" in str(folder):
        raise InvalidInput("target", "Expected a path without line breaks.")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InvalidInput("target", f"Expected a folder, and {folder} is something else.")
    if folder.exists():
        with os.scandir(folder) as found:
            if first := next(found, None):
                raise ForeseenError(
                    "restore.target_not_empty",
                    f"The target {folder} is not empty: it holds {first.name}.",
                    "Choose an empty folder, or move what is in it away yourself; nothing was written.",
                )
    elif not folder.parent.is_dir():
        raise InvalidInput(
            "target", f"The folder {folder.parent}, in which {folder.name} would be made, is missing."
        )


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else folder.parent


def _overlap(one: Path, other: Path) -> bool:
    return _inside(one, other) or _inside(other, one)


def _inside(one: Path, other: Path) -> bool:
    return one.resolve().is_relative_to(other.resolve())
