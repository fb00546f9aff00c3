"""A catalog after a few weeks of use, written straight into the tables: for pages, not for backups.

Everything hangs on one instant, so that two seeds of the same instant look the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from catalog import roles
from catalog.models import Backup, EncryptionKey, Instance, InstanceDatabase, Repository, Tier, Verification
from catalog.models.instance import new_identifier
from catalog.states import BackupState, RepositoryState
from dataprotect.core import clock
from dataprotect.ops.models import Job, JobLogLine
from tests.people import with_role

PASSWORD = "a long passphrase for tests"
GIB = 1 << 30


def person(name: str, role: str = "", *, superuser: bool = False) -> User:
    user = User.objects.filter(username=name).first() or User.objects.create_user(
        name, password=PASSWORD, is_superuser=superuser
    )
    if role:
        with_role(user, role)
    return user


def one_person_per_role() -> dict[str, User]:
    return {role: person(role.lower().replace(" ", "-"), role) for role in roles.ROLES}


def repository(name: str = "cellar", url: str = "/srv/backups/cellar", **more: Any) -> Repository:
    values = {
        "region": "eu-central-1",
        "repository_id": f"{name}-5d1f0c7e",
        "state": RepositoryState.READY,
        "checked_at": clock.now() - timedelta(minutes=14),
        "free_bytes": 2310 * GIB,
    }
    return Repository.objects.create(name=name, url=url, **(values | more))


def key(now: datetime) -> None:
    for number, (name, current) in enumerate((("local-2026-11", True), ("local-2025-11", False))):
        EncryptionKey.objects.create(
            key_id=name,
            location="/var/lib/dataprotect/keys/keyring.json",
            is_current=current,
            created_at=now - timedelta(days=20 + 365 * number),
        )


def instance(name: str, place: Repository, **more: Any) -> Instance:
    tier = Tier.objects.get(name=more.pop("tier", "standard"))
    values = {
        "identifier": new_identifier(name),
        "host": "10.20.1.11",
        "user": "dataprotect",
        "tier": tier,
        "repository": place,
        "environment": "production",
        "server_version": "17.2",
        "size_bytes": 12 * GIB,
        "system_identifier": "7439212345678901234",
        "data_checksums": True,
        "in_recovery": False,
        "connection_encrypted": True,
        "connection_tls_protocol": "TLSv1.3",
        "clock_skew_seconds": 0.03,
        "data_directory_readable": True,
        "data_directory": "/var/lib/postgresql/17/main",
        "probed_at": clock.now() - timedelta(hours=2),
        "tls_mode": "verify-full",
        "tls_ca_file": "/etc/ssl/certs/internal-ca.pem",
    }
    made: Instance = Instance.objects.create(name=name, **(values | more))
    return made


def databases(of: Instance, now: datetime, names: Iterable[str] = ("orders", "events", "postgres")) -> None:
    for number, name in enumerate(names):
        InstanceDatabase.objects.create(
            instance=of,
            name=name,
            size_bytes=(of.size_bytes or GIB) // (number + 2),
            tables=148 // (number + 1),
            safe_name=name.isidentifier(),
            first_seen_at=now - timedelta(days=40),
            last_seen_at=now - timedelta(hours=2),
        )


def backup(of: Instance, at: datetime, *, state: str = BackupState.CHECKED, **more: Any) -> Backup:
    chance = random.Random(f"{of.name}{at}")
    read = int((of.size_bytes or GIB) * (0.97 + chance.random() / 20))
    seconds = read / (chance.uniform(380, 620) * 1024 * 1024)
    values = {
        "instance": of,
        "repository": of.repository,
        "state": state,
        "state_changed_at": at + timedelta(minutes=2),
        "reader": "local",
        "reader_reason": "The data directory is readable and its system identifier matches.",
        "started_at": at - timedelta(seconds=seconds),
        "stopped_at": at,
        "seconds": seconds,
        "start_position": "8A/5F3A2C8",
        "stop_position": "8A/71E00F8",
        "fingerprint_position": "8A/71E0210",
        "timeline": 3,
        "system_identifier": of.system_identifier,
        "server_version": of.server_version,
        "files": chance.randint(1800, 9000),
        "bytes_read": read,
        "bytes_stored": int(read * chance.uniform(0.16, 0.31)),
        "object_count": read // (200 << 20) + 3,
        "peak_memory": 148 << 20,
        "data_key_id": "dk-7f3a19c2",
    }
    made: Backup = Backup.objects.create(
        backup_id=f"{of.name}-{clock.compact(at)}-full-{chance.randrange(1 << 16):04x}", **(values | more)
    )
    return made


CHECKSUM = [
    {"name": "objects read back", "passed": True, "expected": "914", "found": "914"},
    {"name": "SHA-256 of every object", "passed": True, "expected": "equal", "found": "equal"},
]
RESTORED = [
    {
        "name": "recovered to the fingerprint's position",
        "passed": True,
        "expected": "8A/71E0210",
        "found": "8A/71E0210",
    },
    {
        "name": "databases",
        "passed": True,
        "expected": "orders, events, postgres",
        "found": "orders, events, postgres",
    },
    {
        "name": "row counts",
        "passed": True,
        "expected": "231 tables, 48,112,903 rows",
        "found": "231 tables, 48,112,903 rows",
    },
    {"name": "schema checksum", "passed": True, "expected": "9f31c07ad2", "found": "9f31c07ad2"},
    {
        "name": "sampled row digests",
        "passed": True,
        "expected": "10,000 rows equal",
        "found": "9,998 equal, 2 explained by transactions in flight",
    },
    {"name": "sequences not behind their columns", "passed": True, "expected": "42", "found": "42"},
    {"name": "write probe", "passed": True, "expected": "insert and roll back", "found": "done"},
    {"name": "pg_amcheck", "passed": None, "expected": "", "found": "the extension amcheck is not installed"},
]


def verification(
    of: Backup, at: datetime, level: str = "restore", *, passed: bool = True, rto: float = 1260
) -> None:
    checks = [dict(check) for check in (RESTORED if level == "restore" else CHECKSUM)]
    if not passed:
        checks[2 if level == "restore" else 1] |= {
            "passed": False,
            "found": "orders.public.items: 1,204 rows fewer",
        }
    timings = {"fetch": rto * 0.6, "recovery": rto * 0.2, "compare": rto * 0.17, "cleanup": rto * 0.03}
    Verification.objects.create(
        backup=of,
        level=level,
        passed=passed,
        checks=checks,
        seconds=rto * 1.04 if level == "restore" else 31.2,
        timings=timings if level == "restore" else {},
        rto_seconds=rto if level == "restore" and passed else None,
        bytes_read=of.bytes_stored,
        started_at=at - timedelta(seconds=rto),
        finished_at=at,
        worker="backup-worker-2",
    )


def job(of: Instance | None, at: datetime, state: str, actor: str = "anna", **more: Any) -> Job:
    values: dict[str, Any] = {
        "task": "catalog.tasks.run_backup",
        "kind": "run_backup",
        "title": f"Back up {of.name if of else ''}",
        "subject": of.subject if of else "",
        "actor": actor,
        "state": state,
        "created_at": at,
        "attempts": 1,
        "started_at": at + timedelta(seconds=1),
    }
    if state in {"succeeded", "failed", "errored", "cancelled"}:
        values["finished_at"] = at + timedelta(minutes=6, seconds=12)
    made: Job = Job.objects.create(**(values | more))
    for number, line in enumerate(LOG[: 3 if state == "queued" else len(LOG)]):
        JobLogLine.objects.create(job=made, at=at + timedelta(seconds=2 + 9 * number), text=line)
    return made


LOG = (
    "Reader: local. The data directory is readable and its system identifier matches.",
    "Backup mode began at 8A/5F3A2C8 on timeline 3.",
    "8,412 files, 182.4 GiB to read with 2 threads.",
    "Page checksums are on and are checked on the way.",
    "WAL up to 8A/71E00F8 is stored with the backup.",
)
