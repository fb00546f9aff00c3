"""In which state a run left its targets: as the server itself tells, in the rollback points, and in words."""

from __future__ import annotations

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import replace, table_rescue
from dataprotect.engine.full_system_model import Standing
from dataprotect.engine.replace_model import Origin
from restores.models import RestoreRequest, RestoreRun, RollbackPoint
from restores.services.engine_requests import replace_request, rescue_target
from restores.services.rollback_run import keep_until, point_move
from restores.services.run_holder import Holder
from restores.services.system_request import origin_of, system_standing
from restores.states import RollbackKind, RollbackState, Scope


def is_in_use(request: RestoreRequest, point: RollbackPoint) -> bool:
    """Does the target hold what was restored? Raises ForeseenError when its server does not answer."""
    if point.kind == RollbackKind.TABLE_UNDO:
        return table_rescue.standing(rescue_target(request), request.restore_id).state == "done"
    if point.kind == RollbackKind.RENAMED_DATABASE:
        origin = Origin(**point.facts["origin"])
        return replace.standing(replace_request(request, point.database), origin).place == "swapped"
    return _of_system(request, point).place in ("exchanged", "exchanging", "taking back")


def _of_system(request: RestoreRequest, point: RollbackPoint) -> Standing:
    return system_standing(request, origin_of(point.facts["origin"]))


def points_settle(holder: Holder, request: RestoreRequest, run: RestoreRun) -> None:
    """No point stays between two states once the run is over. One whose server does not answer does, and is
    said.
    """
    between = (RollbackState.MAKING, RollbackState.ROLLING_BACK)
    for point in run.rollback_points.filter(state__in=between):
        try:
            _settle(holder, request, point, is_in_use(request, point))
        except ForeseenError as error:
            holder.note(f"How {point.database} stands is not known: {error.message}")


def _settle(holder: Holder, request: RestoreRequest, point: RollbackPoint, in_use: bool) -> None:
    now = clock.now()
    if point.state == RollbackState.ROLLING_BACK:
        if in_use:
            point_move(holder, point, RollbackState.FAILED)
        else:
            point_move(holder, point, RollbackState.USED, used_at=now)
    elif in_use:
        point_move(
            holder, point, RollbackState.READY, made_at=now, keep_until=keep_until(request)
        )  # fmt: skip
    else:
        point_move(holder, point, RollbackState.GONE, reason="Nothing was changed.")


def left(request: RestoreRequest, run: RestoreRun) -> str:
    """In what state every target is, in words."""
    points = {point.database: point for point in run.rollback_points.all()}
    target = request.target_instance
    names = list(request.databases) or ([target.name] if target is not None else [])
    if not names:
        return "No server was touched."
    kept = run.rollback_points.filter(kind=RollbackKind.KEPT_DIRECTORY).first()
    if kept is not None and target is not None:
        return _system_left(request, kept, target.name)
    found = [_of(name, points.get(name) or points.get(""), request.scope) for name in names]
    return "; ".join(found) + "."


def _system_left(request: RestoreRequest, point: RollbackPoint, name: str) -> str:
    """By what lies there, and by whether a server runs on it."""
    try:
        found = _of_system(request, point)
    except ForeseenError as error:
        return f"how {name} stands is not known: {error.message}"
    until = clock.iso(point.keep_until) if point.keep_until else "its deadline"
    can = f" It can be rolled back until {until}." if found.can_swap_back else ""
    return f"{name}: {found.because} Its server {'runs' if found.running else 'is down'}.{can}"


def _of(name: str, point: RollbackPoint | None, scope: str) -> str:
    if point is not None and (point.state == RollbackState.USED or point.used_at is not None):
        return f"{name} was rolled back and is as it was before"
    if point is None or point.state == RollbackState.GONE:
        return f"{name} was not touched"
    if point.state == RollbackState.READY:
        until = clock.iso(point.keep_until) if point.keep_until else "its deadline"
        what = (
            f"the rows of {name} were brought back" if scope == Scope.TABLE else f"{name} is the restored one"
        )
        return f"{what} and can be rolled back until {until}"
    if point.state == RollbackState.FAILED:
        return f"{name} is the restored one: rolling it back failed and can be tried again"
    return f"how {name} stands is not known: its server did not answer"
