"""From which backup a target is reached: asked of the rows at once, and of the repository when it is done."""

from __future__ import annotations

from catalog.models import Backup, Instance
from catalog.selectors.recovery import recovery_facts
from catalog.services.opening import repository_open
from catalog.states import GOOD_BACKUP
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.stored_timeline import StoredTimeline
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import Choice, Target


def recovery_check(*, instance: Instance, target: Target) -> None:
    """Refuse early, by what the catalog knows, a target that lies in no window.

    Where the catalog knows of no log (it was rebuilt, say) nothing is refused: the repository will tell.
    Raises `target.outside`, `target.no_window`.
    """
    facts = recovery_facts(instance=instance)
    if facts.stretches or not facts.backups:
        recovery_windows(facts).choose_base(target)


def recovery_choose(*, instance: Instance, target: Target, backup: Backup | None = None) -> Choice:
    """The best base by what the repository holds now; `backup` allows no other one.

    Only backups that are good by the catalog are bases. Raises `target.outside`, `target.no_window`.
    """
    rows = Backup.objects.filter(instance=instance, state__in=GOOD_BACKUP)
    good = set(rows.values_list("backup_id", flat=True))
    if backup is not None and backup.backup_id not in good:
        raise ForeseenError(
            "target.base_not_good",
            f"The backup {backup.backup_id} is {backup.get_state_display().lower()}: nothing proves that it "
            "can be rolled forward.",
            "Verify it first, or let the best base be chosen by naming the instance.",
        )
    if backup is not None:
        good = {backup.backup_id}
    place = backup.repository if backup is not None else instance.repository
    stored = repository_open(place)
    return StoredTimeline(stored, instance.identifier, lambda seal: seal.backup_id in good).choose(target)
