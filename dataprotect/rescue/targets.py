"""Which backup the rescue restores, and how a target is reached from it."""

from __future__ import annotations

from collections.abc import Callable

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.recovery_target import parse_target
from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline_model import Choice
from dataprotect.rescue.arguments import Arguments
from dataprotect.storage.repository import Repository


def chosen(
    arguments: Arguments, repository: Repository, instance_of: Callable[[], str]
) -> tuple[str, Choice | None]:
    """The instance, and the way to the target when there is one; a backup that was named is the only base.

    Raises InvalidInput, `instance.unclear`, `target.outside`, `target.no_window`.
    """
    target = parse_target(
        time=arguments.target_time, lsn_text=arguments.target_lsn, name=arguments.target_name,
        latest=arguments.latest, now=clock.now(),
    )  # fmt: skip
    if arguments.backup_id:
        instance = instance_of()
    elif target is None:
        raise InvalidInput("backup_id", "Expected a backup id, or a target such as --latest.")
    else:
        instance = arguments.instance or _only(repository)
    if target is None:
        return instance, None
    stored = StoredTimeline(
        repository, instance, lambda seal: arguments.backup_id in ("", seal.backup_id)
    )  # fmt: skip
    return instance, stored.choose(target)


def _only(repository: Repository) -> str:
    found = repository.instances()
    if len(found) == 1:
        return found[0]
    raise ForeseenError(
        "instance.unclear",
        f"The repository holds {len(found)} instances: {', '.join(found)[:300]}.",
        "Name the one you mean with --instance.",
    )
