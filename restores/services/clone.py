"""Clones: bringing one up, dropping it, and sweeping those whose time is over."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from catalog.models import Backup, Instance
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.services.opening import repository_open, server_binaries
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine import clones, model
from dataprotect.engine.clone_folder import State
from dataprotect.engine.timeline_model import Target
from dataprotect.ops import home, queue
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services.audit import audit_record
from restores.models import Clone
from restores.services.wanted import chosen_backup, wanted_of
from restores.states import CLONE_TRANSITIONS, CloneState

BRING_UP = "restores.tasks.run_clone"
DROP = "restores.tasks.run_clone_drop"
LIVES = timedelta(hours=24)


def clone_start(
    *,
    actor: Actor,
    backup: Backup | None = None,
    instance: Instance | None = None,
    target: Target | None = None,
) -> Job:
    """Ask for a clone of a backup, or of an instant; it is swept after a day unless it is dropped before.

    Raises `access.denied`, `target.outside`, `target.no_window`.
    """
    wanted = wanted_of(actor=actor, backup=backup, instance=instance, target=target)
    return queue.enqueue(
        BRING_UP,
        arguments=wanted.arguments,
        actor=actor,
        subject=wanted.instance.subject,
        title=f"Clone from {wanted.title}"[:200],
    )


def clone_run(*, context: JobContext, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Bring it up and record it. If it cannot be recorded it does not stay: nobody would know of it."""
    backup, choice = chosen_backup(wanted)
    clone_sweep(actor=context.actor)
    request = clones.CloneRequest(
        instance_id=backup.instance.identifier,
        backup_id=backup.backup_id,
        clones=home.clones(),
        binaries=server_binaries(),
        account=home.clone_user() or "postgres",
        choice=choice,
    )
    made = clones.bring_up(repository_open(backup.repository), request, context)
    try:
        row = _record(context, backup, made, str(choice.target) if choice else "")
    except BaseException:
        clones.drop(home.clones(), made.clone_id)
        raise
    return {
        "clone_id": row.clone_id,
        "dsn": row.dsn,
        "data_directory": row.data_directory,
        "backup_id": backup.backup_id,
        "target": row.target or None,
        "reached_position": row.reached_position,
        "reached_at": clock.iso(row.reached_at) if row.reached_at else None,
        "reached_reason": row.reached_reason,
        "expires_at": clock.iso(row.expires_at),
        "timings": row.timings,
    }


def clone_drop_start(*, actor: Actor, clone: Clone) -> Job:
    """Raises `access.denied`, `clone.dropped`, `clone.elsewhere`."""
    require(actor=actor, permission="catalog.restore_instance", instance=clone.backup.instance)
    if clone.state == CloneState.DROPPED:
        raise ForeseenError(
            "clone.dropped", f"The clone {clone.clone_id} was dropped already.", "Nothing needs to be done."
        )
    return queue.enqueue(
        DROP,
        arguments={"clone_id": clone.clone_id},
        actor=actor,
        subject=clone.backup.instance.subject,
        title=f"Drop {clone.clone_id}",
        exclusive=f"clone:{clone.clone_id}",
    )


def clone_drop_run(*, context: JobContext, clone_id: str) -> dict[str, Any]:
    """Stop its server, delete its files. Safe to repeat: what is gone already counts as dropped."""
    row = Clone.objects.get(clone_id=clone_id)
    if row.worker != socket.gethostname():
        raise ForeseenError(
            "clone.elsewhere",
            f"The clone {clone_id} is on {row.worker}, and this worker runs on {socket.gethostname()}.",
            f"Run drop_clone {clone_id} on {row.worker}.",
        )
    _drop(context.actor, row)
    return {"clone_id": clone_id, "state": row.state}


def clone_sweep(*, actor: Actor) -> list[str]:
    """On this host: drop what is expired or half-dropped, remove leftovers, mark what is lost."""
    here = Clone.objects.filter(worker=socket.gethostname())
    swept = clones.sweep_clones(home.clones())
    due = here.filter(state__in=(CloneState.READY, CloneState.LOST), expires_at__lte=clock.now())
    for row in [*due, *here.filter(state=CloneState.DROPPING)]:
        _drop(actor, row)
        swept.append(row.clone_id)
    standing = clones.running(home.clones())
    swept += _drop_unknown(standing)
    present = {state.clone_id for state in standing}
    for row in here.filter(state=CloneState.READY).exclude(clone_id__in=present):
        _move(actor, row, CloneState.LOST)
    return swept


def _drop_unknown(standing: list[State]) -> list[str]:
    """Kept clones that no row knows (the catalog was rebuilt) go when their day is over, like the others."""
    known = set(Clone.objects.values_list("clone_id", flat=True))
    dropped = []
    for state in standing:
        old = clock.now() - clock.parse_iso(state.created_at) > LIVES
        if old and state.purpose == "kept" and state.clone_id not in known:
            clones.drop(home.clones(), state.clone_id)
            dropped.append(state.clone_id)
    return dropped


@transaction.atomic
def _record(context: JobContext, backup: Backup, made: model.Clone, target: str) -> Clone:
    context.hold()
    now = clock.now()
    row = Clone(
        clone_id=made.clone_id,
        backup=backup,
        job_id=context.job_id,
        state=CloneState.READY,
        dsn=made.dsn,
        data_directory=str(made.data_directory),
        socket_directory=str(made.socket_directory),
        port=made.port,
        pid=made.pid,
        worker=socket.gethostname(),
        target=target,
        reached_position=made.reached_position,
        reached_at=made.reached_at,
        reached_reason=made.reached_reason[:200],
        timings=dict(made.timings),
        created_by=context.actor,
        ready_at=now,
        expires_at=now + LIVES,
    )
    save_clean(row)
    data = {"backup": backup.backup_id, "instance": backup.instance.name, "worker": row.worker}
    data |= {"target": target, "reached": row.reached_position} if target else {}
    audit_record(actor=context.actor, verb="clone.ready", subject=f"clone:{row.clone_id}", data=data)
    return row


def _drop(actor: Actor, row: Clone) -> None:
    if row.state != CloneState.DROPPING:
        _move(actor, row, CloneState.DROPPING)
    try:
        clones.drop(home.clones(), row.clone_id)
    except ForeseenError as error:
        if error.code != "clone.missing":
            raise
    _move(actor, row, CloneState.DROPPED)


@transaction.atomic
def _move(actor: Actor, row: Clone, state: CloneState) -> None:
    """One conditional UPDATE plus an event; somebody who was quicker has done it."""
    old = CloneState(row.state)
    if state not in CLONE_TRANSITIONS[old]:
        raise ValueError(f"a clone never goes from {old} to {state}")
    ended = {"dropped_at": clock.now()} if state == CloneState.DROPPED else {}
    if Clone.objects.filter(pk=row.pk, state=old).update(state=state, **ended):
        audit_record(actor=actor, verb=f"clone.{state}", subject=f"clone:{row.clone_id}")
    row.refresh_from_db()
