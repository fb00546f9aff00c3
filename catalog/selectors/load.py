"""What works on instances now, and so on the repositories behind them: by the schedule or by hand."""

from __future__ import annotations

from collections import Counter

from catalog.models import Instance
from catalog.models.instance import instance_key
from dataprotect.ops import states
from dataprotect.ops.models import Job

WORK = ("catalog.tasks.run_backup", "catalog.tasks.run_verification", "catalog.tasks.run_pitr_test")
"""What the limits of policies and repositories count. Their jobs are about `instance:7`."""


def load_now() -> tuple[Counter[int], Counter[int]]:
    """How many jobs are queued or run, by key of the instance and of its repository. Two queries."""
    subjects = Job.objects.filter(state__in=states.ACTIVE, task__in=WORK).values_list("subject", flat=True)
    of_instance = Counter(map(instance_key, subjects))
    of_repository: Counter[int] = Counter()
    places = Instance.objects.filter(pk__in=of_instance).order_by().values_list("pk", "repository_id")
    for instance, repository in places:
        of_repository[repository] += of_instance[instance]
    return of_instance, of_repository
