"""The policy of the instance's tier, and its log streamed into the repository."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User

from catalog.models import ChangeRequest, LogCollector, Policy
from catalog.selectors.policies import instance_schedule
from catalog.services.change_decide import change_approve
from catalog.services.policy_assign import policy_assign
from catalog.states import ChangeState, CollectorState, RunKind
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn
from restores.demo.registration import registrar
from restores.demo.scene import Scene
from restores.demo.story import took
from restores.demo.waiting import wait_until

TITLE = "From now on by itself: a policy, and the log streamed"
SHOWN_RUNS = 3
SECOND_PERSON = "engineering-manager"
REASON = "The demo's server gets the policy of its tier."


def run(scene: Scene) -> dict[str, Any]:
    policy = Policy.objects.get(name=scene.instance.tier.name)
    _give(scene, policy)
    runs = _tell_plan(scene, policy)
    end = _end_of_log(scene)
    seconds = wait_until(scene, "The log in the repository", lambda: _stored_up_to(scene, end))
    return {"policy": {"name": policy.name, "next_runs": runs}, "streaming": _tell_stream(scene, seconds)}


def _give(scene: Scene, policy: Policy) -> None:
    """Without a policy everything is kept; so a first policy lets backups go, and takes a second person."""
    try:
        policy_assign(actor=registrar(), instance=scene.instance, policy=policy, reason=REASON)
    except ForeseenError as error:
        if error.code != "policy.second_person":
            raise
        change = ChangeRequest.objects.get(instance=scene.instance, state=ChangeState.AWAITING)
        second = User.objects.get(username=SECOND_PERSON)
        change_approve(actor=second, change=change, seen_hash=change.payload_hash)
        scene.story.proof(
            f"two persons gave it its policy: {change.requested_by_name} asked, {SECOND_PERSON} approved"
        )
    scene.instance.refresh_from_db()


def _tell_plan(scene: Scene, policy: Policy) -> list[str]:
    """What the scheduler does next, as `manage.py next_runs` says it."""
    scene.story.fact("policy", f"{policy.name}: {policy.description}")
    found = instance_schedule(user=registrar(), name=scene.instance.name, count=SHOWN_RUNS)
    told = []
    for each in found.coming:
        local = each.due_at.astimezone(ZoneInfo(policy.timezone))
        told.append(f"{RunKind(each.kind).label.lower()}, {local:%A %H:%M %Z}")
    for name, line in zip(("next", *[""] * len(told)), told, strict=False):
        scene.story.fact(name, line)
    return told


def _end_of_log(scene: Scene) -> int:
    with scene.server.connect() as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    return lsn.parse(str(row[0])) if row else 0


def _stored_up_to(scene: Scene, end: int) -> bool:
    row = LogCollector.objects.filter(instance=scene.instance).first()
    if row is None:
        return False
    if row.state == CollectorState.REFUSED:
        raise ForeseenError(row.last_error_code, row.last_error, "Read logs/collector.log in the home.")
    if row.state != CollectorState.STREAMING or not row.shipped_position:
        return False
    return lsn.parse(row.shipped_position) >= end


def _tell_stream(scene: Scene, seconds: float) -> dict[str, Any]:
    row = LogCollector.objects.get(instance=scene.instance)
    scene.story.proof(
        f"all log there was lies in the repository up to {row.shipped_position}, {took(seconds)} later"
    )
    scene.story.say("  the server keeps what is not stored yet, behind the slot " + row.slot_name)
    return {"seconds": round(seconds, 2), "position": row.shipped_position, "slot": row.slot_name}
