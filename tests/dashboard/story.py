"""Ten instances after a few weeks, in every state that a page has to show."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from catalog.models import Backup, Instance, Repository
from catalog.services.instance_refresh import instance_refresh
from catalog.states import BackupState, RepositoryState
from dataprotect.core import clock
from dataprotect.ops.models import Worker
from dataprotect.ops.services.audit import audit_record
from tests.dashboard import seed_alerts, seed_keeping, seed_logs, seed_restores
from tests.dashboard.seed import GIB, backup, databases, instance, job, key, repository, verification

NAMES = (
    ("orders", "production", "critical", "10.20.1.11", 182.4),
    ("billing", "production", "critical", "10.20.1.12", 96.1),
    ("identity", "production", "critical", "pg-identity.internal", 22.7),
    ("warehouse", "production", "standard", "10.20.4.3", 1240.0),
    ("search-index", "production", "standard", "10.20.4.9", 310.5),
    ("catalogue", "production", "standard", "10.20.1.18", 41.2),
    ("reporting", "staging", "standard", "10.40.2.2", 88.0),
    ("orders-staging", "staging", "archival", "10.40.2.3", 12.9),
    ("legacy-crm", "production", "archival", "crm-db.internal", 64.3),
    ("sandbox-anna", "sandbox", "archival", "10.60.0.7", 0.8),
)


def history(
    of: Instance, now: datetime, *, days: int, hours_ago: float, skip: tuple[int, ...] = ()
) -> Backup:
    """A nightly backup for `days` days, the newest `hours_ago`; none on the days in `skip`."""
    newest = None
    for age in range(days):
        if age in skip:
            continue
        at = now - timedelta(days=age, hours=hours_ago)
        made = backup(of, at)
        verification(made, at + timedelta(minutes=2), "checksum")
        newest = newest or made
    assert newest is not None
    return newest


@transaction.atomic
def fill(now: datetime | None = None) -> dict[str, Instance]:
    """Ten instances in every state a page has to show."""
    now = now or clock.now()
    key(now)
    cellar, vault = (
        repository(),
        repository(
            "vault-b",
            "s3://acme-dr-backups/postgres",
            region="eu-west-1",
            free_bytes=None,
            state=RepositoryState.UNREACHABLE,
            problem="The bucket answered 403: access denied.",
        ),
    )
    made = {
        name: instance(
            name,
            vault if name == "warehouse" else cellar,
            environment=environment,
            tier=tier,
            host=host,
            size_bytes=int(size * GIB),
            created_at=now - timedelta(days=60),
        )
        for name, environment, tier, host, size in NAMES
    }
    Instance.objects.update(created_at=now - timedelta(days=60))
    _histories(made, now)
    for one in made.values():
        databases(one, now)
        instance_refresh(one)
    databases(made["orders"], now, names=['Robert"); DROP TABLE students;--', "quoted name\u202e"])
    _troubles(made, now)
    _repositories(cellar, vault)
    _workers(made, now)
    seed_alerts.alerts(made, now)
    seed_keeping.keeping(made, now)
    seed_logs.logs(made, now)
    seed_restores.restores(made, now)
    return made


def _histories(made: dict[str, Instance], now: datetime) -> None:
    plan = {
        "orders": (30, 0.03, ()),
        "billing": (30, 0.05, (9, 10)),
        "identity": (30, 7.2, ()),
        "warehouse": (24, 0.6, ()),
        "search-index": (30, 0.4, (4,)),
        "catalogue": (12, 0.9, ()),
        "reporting": (30, 0.8, ()),
        "orders-staging": (21, 20.1, ()),
        "sandbox-anna": (3, 11.0, ()),
    }
    for name, (days, hours, skip) in plan.items():
        newest = history(made[name], now, days=days, hours_ago=hours, skip=skip)
        if name in {"catalogue", "sandbox-anna"}:
            continue
        newest.state = BackupState.RESTORE_TESTED
        failed = name == "reporting"
        verification(
            newest, now - timedelta(hours=2), passed=not failed, rto=5400 if name == "billing" else 1260
        )
        newest.state = BackupState.DAMAGED if failed else BackupState.RESTORE_TESTED
        newest.save()


def _troubles(made: dict[str, Instance], now: datetime) -> None:
    crm = made["legacy-crm"]
    crm.probe_problem = (
        "The server at crm-db.internal:5432 refused the connection: password authentication failed."
    )
    crm.connection_encrypted, crm.data_checksums, crm.probed_at = None, None, now - timedelta(minutes=44)
    crm.save()
    annas = made["sandbox-anna"]
    annas.connection_encrypted, annas.connection_tls_protocol, annas.tls_mode = False, "", "prefer"
    annas.data_checksums = False
    annas.probe_warnings = ["The account lacks REPLICATION, so backups can only be read from the files."]
    annas.save()
    for age in (0, 1, 4):
        job(
            crm,
            now - timedelta(days=age, minutes=44),
            "failed",
            error_code="postgresql.password",
            error_message="The server at crm-db.internal:5432 refused the password of dataprotect.",
            error_action="Store the right password on the page of legacy-crm.",
        )


def _repositories(*places: Repository) -> None:
    for place in places:
        rows = place.backups.all()
        place.backup_count, place.stored_bytes = rows.count(), sum(row.bytes_stored for row in rows)
        place.save()


def _workers(made: dict[str, Instance], now: datetime) -> None:
    running = job(
        made["orders"],
        now - timedelta(minutes=4),
        "running",
        phase="read and store files",
        bytes_done=92 * GIB,
        bytes_total=182 * GIB,
        rate=402.0 * 1024 * 1024,
        eta_seconds=229.0,
        heartbeat_at=now - timedelta(seconds=3),
        lease_owner="backup-worker-2:4121",
        exclusive=made["orders"].exclusive_key,
    )
    job(made["billing"], now - timedelta(minutes=1), "queued", started_at=None, attempts=0)
    done = {
        "backup_id": made["identity"].last_good_backup.backup_id,
        "files": 4120,
        "bytes_read": 22 * GIB,
        "bytes_stored": 5 * GIB,
        "seconds": 61.4,
        "reader": "local",
        "state": "checked",
    }
    job(made["identity"], now - timedelta(hours=7), "succeeded", result=done)
    job(
        made["catalogue"],
        now - timedelta(hours=9),
        "cancelled",
        error_code="job.cancelled",
        error_message="The work was cancelled on request.",
        error_action="Start it again when you are ready.",
    )
    for number in (1, 2):
        Worker.objects.create(
            name=f"backup-worker-{number}:412{number}",
            host=f"backup-worker-{number}",
            cluster="dataprotect",
            pid=4120 + number,
            version="0.1.0",
            seen_at=now - timedelta(seconds=4),
            swept_at=now - timedelta(seconds=31),
            job=running if number == 2 else None,
        )
    for verb, subject in (
        ("instance.added", made["orders"]),
        ("instance.probed", made["orders"]),
        ("job.queued", running),
    ):
        audit_record(
            actor="dba", verb=verb, subject=subject, data={"name": str(subject)[:60], "host": "10.20.1.11"}
        )
