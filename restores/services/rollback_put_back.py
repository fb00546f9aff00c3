"""Putting one target back, by the kind of its rollback point, and looking whether it is as it was before."""

from __future__ import annotations

from dataprotect.core.errors import ForeseenError
from dataprotect.core.progress import Reporter
from dataprotect.engine import full_system, replace, table_rescue
from dataprotect.engine.model import Check
from dataprotect.engine.replace_model import Origin
from restores.models import RestoreRequest, RollbackPoint
from restores.services.engine_requests import replace_request, rescue_target, swap_options, undo_request
from restores.services.system_request import origin_of, system_request
from restores.states import RollbackKind


def put_back(reporter: Reporter, request: RestoreRequest, point: RollbackPoint) -> list[Check]:
    """What was looked at then. Safe to repeat. Raises what the engine foresees, `rollback.not_valid`."""
    if point.kind == RollbackKind.TABLE_UNDO:
        result = table_rescue.undo(undo_request(request), reporter)
        state = table_rescue.standing(rescue_target(request), request.restore_id).state
        return _require_back([*result.checks, Check("undo recorded", state == "undone", "undone", state)])
    if point.kind == RollbackKind.KEPT_DIRECTORY:
        return _put_back_system(request, point)
    wanted, origin = replace_request(request, point.database), Origin(**point.facts["origin"])
    if replace.standing(wanted, origin).place == "swapped":
        replace.swap_back(wanted, origin, swap_options(request), reporter)
    where = replace.standing(wanted, origin)
    back = where.place in ("rolled back", "untouched", "staged", "loading")
    checks = _require_back([Check("old database in use", back, "rolled back", where.because)])
    # Told, not demanded: a database that was restored because it is broken is broken again.
    return [*checks, *replace.health(wanted).checks]


def _put_back_system(request: RestoreRequest, point: RollbackPoint) -> list[Check]:
    """Nothing interrupts it: halfway through no server runs. Its checks are told, not demanded, too."""
    wanted, origin = system_request(request), origin_of(point.facts["origin"])
    found = full_system.swap_back(wanted, origin).checks
    where = full_system.standing(wanted, origin)
    back = Check("old data directory in use", where.place == "taken back", "taken back", where.because)
    return [*_require_back([back]), *found]


def _require_back(checks: list[Check]) -> list[Check]:
    bad = [check for check in checks if check.passed is False]
    if bad:
        words = "; ".join(f"{each.name}: {each.found}" for each in bad)
        raise ForeseenError(
            "rollback.not_valid", f"After rolling back it is not as it was before. {words}",
            "Look at the server before anything else is done; nothing more is changed by itself.",
        )  # fmt: skip
    return checks
