"""How fast a job may read and write, by the policy of its instance and by what its repository allows."""

from __future__ import annotations

from catalog.models import Instance, Repository


def bandwidth_of(instance: Instance, repository: Repository) -> int | None:
    """Bytes per second for one job; None for as fast as it goes.

    A repository's limit is for all jobs together, which do not know of each other: each gets the share it
    would have if as many ran as are allowed to, so the limit holds at every moment.
    """
    own = instance.policy.bandwidth_limit if instance.policy is not None else None
    share = repository.bandwidth_limit and max(1, repository.bandwidth_limit // repository.max_concurrent)
    given = [limit for limit in (own, share) if limit]
    return min(given) if given else None
