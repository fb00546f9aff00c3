"""How fast a job may read and write, by the policy of its instance and by what its repository allows."""

from __future__ import annotations

from catalog.models import Instance, Repository


def bandwidth_of(instance: Instance, repository: Repository) -> int | None:
    """Bytes per second for one job; None for as fast as it goes."""
    own = instance.policy.bandwidth_limit if instance.policy is not None else None
    return _least(own, _share(repository))


def bandwidth_of_scrub(repository: Repository, most: int) -> int | None:
    """For rereading the repository; `most` is what the installation allows for that, 0 is no limit."""
    return _least(most, _share(repository))


def _share(repository: Repository) -> int | None:
    """A repository's limit is for all jobs together, which do not know of each other: each gets what it would
    have if as many ran as are allowed to, and the repository were reread as well.
    """
    limit = repository.bandwidth_limit
    return limit and max(1, limit // (repository.max_concurrent + 1))


def _least(*limits: int | None) -> int | None:
    given = [limit for limit in limits if limit]
    return min(given) if given else None
