"""Restores of `orders`: one that waits, one done that can be rolled back, a draft, and broken glass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from catalog.models import Backup, Instance
from catalog.services.change_request import payload_hash
from dataprotect.core import clock
from restores.models import (
    ApprovalPolicy,
    BreakGlassUse,
    RestoreRequest,
    RestoreRun,
    RestoreSettings,
    RestoreStep,
    RollbackPoint,
    Safeguard,
    SmokeTest,
)
from restores.services.approval_policy_propose import policy_hash
from tests.dashboard import seed
from tests.dashboard.seed import person

WAITING, DONE, DRAFT, GLASS, RUNNING = "r0000000a", "r0000000b", "r0000000c", "r0000000d", "r0000000e"
_STEPS = ("clone", "clone_check", "load", "validate", "swap", "watch", "deliver")

RADIUS = "1 database, 51.5 GB: signed like “Single database” (databases: up to 1, volume: up to 500 GB)."
BYTES = {
    "clone": 182 * seed.GIB,
    "clone_check": 182 * seed.GIB,
    "load": 48 * seed.GIB,
    "validate": 48 * seed.GIB,
}
EVIDENCE: dict[str, dict[str, Any]] = {
    "clone_check": {"checks": [{"name": "page checksums", "passed": True, "expected": "0", "found": "0"}]},
    "load": {"row_counts": {"public.orders": 1_204_311, "public.customers": 88_210}},
    "validate": {
        "checks": [
            {"name": "row counts", "passed": True, "expected": "1,292,521", "found": "1,292,521"},
            {"name": "large objects", "passed": None, "expected": "", "found": "There are none."},
        ]
    },
}


def _plan(restore_id: str, of: Instance, backup: Backup, now: datetime) -> dict[str, Any]:
    named = {
        "name": of.name,
        "identifier": of.identifier,
        "environment": of.environment,
        "tier": of.tier.name,
    }
    return {
        "version": 1, "restore_id": restore_id, "scope": "database", "frozen_at": clock.iso(now),
        "instance": named, "target": named | {"host": of.host, "port": of.port},
        "backup": {
            "backup_id": backup.backup_id, "type": backup.type, "stopped_at": clock.iso(backup.stopped_at),
        },
        "recovery_target": None, "recovers_to": clock.iso(backup.stopped_at), "loss_seconds": 4711.0,
        "changes": "shop on orders: exchanged for what was there then.",
        "loss_because": "What was written since is not in what comes back.",
        "databases": [{"name": "shop", "bytes": 48 * seed.GIB}], "tables": [], "table_mode": "",
        "options": {},
        "bytes": 48 * seed.GIB,
        "steps": [
            {"kind": kind, "title": kind.capitalize(), "database": "", "expected_seconds": 60.0}
            for kind in _STEPS
        ],
        "expected_seconds": 420.0,
        "estimate": {"basis": "measured", "because": "Measured by 4 restore tests of orders."},
        "rollback": {"kind": "renamed_database", "expected_seconds": 15.0, "because": "The old one is kept."},
        "approval": {"policy_version": 1, "row": {}, "roles": ["DBA"], "waived": [], "because": RADIUS},
        "profile": "production",
        "preflight": [{"name": "server answers", "passed": True, "expected": "", "found": "15.14"}],
    }  # fmt: skip


def request(
    restore_id: str, of: Instance, now: datetime, *, roles: Sequence[str] = ("DBA",), **more: Any
) -> RestoreRequest:
    """To be signed in `roles`. Asked for by a person of its own, so that everybody else may sign."""
    backup = Backup.objects.filter(instance=of, state__in=("checked", "restore_tested")).first()
    assert backup is not None
    plan = _plan(restore_id, of, backup, now)
    plan["approval"]["roles"] = list(roles)
    values = {
        "scope": "database", "instance": of, "target_instance": of, "backup": backup, "databases": ["shop"],
        "reason": "Orders were overwritten by the import of 14:03.", "ticket": "CHG-4711",
        "requested_by": person("asker", "DBA"), "requested_by_name": "asker", "created_at": now,
        "declared_at": now, "submitted_at": now, "plan": plan, "plan_hash": payload_hash(plan),
        "policy": ApprovalPolicy.objects.get(version=1), "approval_until": now + timedelta(hours=20),
        "state": "awaiting",
    }  # fmt: skip
    made: RestoreRequest = RestoreRequest.objects.create(restore_id=restore_id, **(values | more))
    if made.plan_hash:
        for code, state in (("integrity_verified", "passed"), ("change_ticket", "skipped")):
            Safeguard.objects.create(
                request=made, plan_hash=made.plan_hash, code=code, state=state, because="As found.",
                checked_at=now,
            )  # fmt: skip
    return made


def run_of(row: RestoreRequest, now: datetime) -> RestoreRun:
    run: RestoreRun = RestoreRun.objects.create(
        request=row, job=seed.job(row.instance, now, "succeeded"), expected_seconds=420.0, started_at=now,
        ended_at=now + timedelta(minutes=7), rto_seconds=812.0, rpo_seconds=180.0,
        rto_parts={"approval": 240.0, "queue": 2.0, "transfer": 130.0},
        message="Restored shop on orders; verified by 31 checks. RPO 3 min and RTO 14 min.",
    )  # fmt: skip
    for position, kind in enumerate(_STEPS, start=1):
        at = now + timedelta(minutes=position)
        RestoreStep.objects.create(
            run=run, position=position, kind=kind, title=kind.replace("_", " ").capitalize(), state="done",
            started_at=at, ended_at=at + timedelta(seconds=40), expected_seconds=60.0, note="As planned.",
            bytes_done=BYTES.get(kind, 0), evidence=EVIDENCE.get(kind, {}),
        )  # fmt: skip
    RollbackPoint.objects.create(
        run=run, kind="renamed_database", state="ready", database="shop", expected_seconds=15.0, made_at=now,
        keep_until=now + timedelta(hours=96),
    )  # fmt: skip
    return run


def running(of: Instance, now: datetime) -> RestoreRun:
    """In the middle of its load, by a worker that lives."""
    row = request(RUNNING, of, now - timedelta(hours=1), state="running", approved_at=now, started_at=now)
    job = seed.job(
        of, now - timedelta(minutes=4), "running", subject=of.subject, task="restores.tasks.run_restore",
        kind="run_restore", title=f"Restore {row.restore_id}", phase="load", bytes_done=21 * seed.GIB,
        bytes_total=48 * seed.GIB, rate=214e6, heartbeat_at=now, lease_until=now + timedelta(minutes=1),
        lease_owner="backup-worker-2:4711",
    )  # fmt: skip
    run: RestoreRun = RestoreRun.objects.create(
        request=row, job=job, expected_seconds=420.0, started_at=job.created_at
    )
    for position, kind in enumerate(_STEPS, start=1):
        at = job.created_at + timedelta(minutes=position - 1)
        state = "done" if position < 3 else "running" if position == 3 else "pending"
        RestoreStep.objects.create(
            run=run, position=position, kind=kind, title=kind.replace("_", " ").capitalize(), state=state,
            database="shop" if kind in ("load", "validate") else "", expected_seconds=60.0,
            started_at=at if position <= 3 else None,
            ended_at=at + timedelta(seconds=52) if position < 3 else None,
            bytes_done=BYTES[kind] if position < 3 else 0,
        )  # fmt: skip
    return run


def restores(made: dict[str, Instance], now: datetime) -> None:
    of = made["orders"]
    request(WAITING, of, now - timedelta(hours=2))
    done = request(
        DONE,
        of,
        now - timedelta(days=3),
        state="completed",
        ended_at=now - timedelta(days=3),
        ended_by="asker",
    )
    run_of(done, now - timedelta(days=3))
    request(
        DRAFT, of, now - timedelta(minutes=5), state="draft", scope="test", target_instance=None,
        databases=[],
        plan={}, plan_hash="",
    )  # fmt: skip
    glass = request(
        GLASS, of, now - timedelta(hours=1), state="approved", execute_until=now + timedelta(hours=9)
    )
    BreakGlassUse.objects.create(
        request=glass, user=person("breaker", "DBA"), plan_hash=glass.plan_hash, reason="The shop is down.",
        used_at=now, review_due_at=now + timedelta(hours=71),
    )  # fmt: skip
    running(of, now)
    _proposal(now)
    RestoreSettings.objects.create(
        instance=of, user="restorer", password_sealed="sealed", http_prefixes=["https://shop.example/"],
    )  # fmt: skip
    SmokeTest.objects.create(
        instance=of, name="orders of today", question="SELECT count(*) > 0 FROM orders", expected="true"
    )


def _proposal(now: datetime) -> None:
    """Asked for by a person of its own; it waits for signatures."""
    rows = [dict(row) for row in ApprovalPolicy.objects.get(version=1).rows]
    rows[1]["bytes"] = 200 * 10**9
    ApprovalPolicy.objects.create(
        version=2, rows=rows, rows_hash=policy_hash(rows, 24, 8), execution_hours=8,
        reason="Databases have grown.", proposed_by=person("asker"), proposed_by_name="asker",
        proposed_at=now - timedelta(hours=4),
    )  # fmt: skip
