"""A protected server with two small databases, and people who ask for and sign restores of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from catalog import roles
from catalog.models import Backup, Instance, Tier
from catalog.services.backup_start import backup_start
from catalog.services.instance_access import instance_access_grant
from catalog.services.instance_add import instance_add
from catalog.services.instance_probe import instance_probe_start
from catalog.services.repository_add import repository_add
from dataprotect.core import clock
from dataprotect.core.secrets import Secret
from dataprotect.ops import queue
from dataprotect.ops.models import Job
from restores.models import Clone, RestoreRequest, RestoreRun
from restores.selectors.approvals import roles_missing
from restores.services.approval_give import approval_give
from restores.services.clone import clone_drop_start
from restores.services.request_draft import Wish, restore_draft
from restores.services.request_start import restore_start
from restores.services.request_submit import restore_submit
from restores.services.restore_account import restore_settings_set
from restores.states import CloneState
from tests.people import with_role
from tests.servers.postgresql import PostgresServer

ACTOR = "system:test"
SHOP, LEDGER, STOCK = "shop", "ledger", "stock"
_FILL = """
CREATE TABLE customer (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer integer NOT NULL REFERENCES customer, amount integer);
INSERT INTO customer (name) SELECT 'c' || g FROM generate_series(1, 50) g;
INSERT INTO orders (customer, amount) SELECT 1 + g % 50, g FROM generate_series(1, 500) g;
"""


def fresh(server: PostgresServer, *names: str) -> None:
    """The databases, as they are at the beginning; nothing of an earlier restore."""
    with server.connect() as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname ~ '^(shop|ledger|stock)(__|$)'"
        ).fetchall()
        for (name,) in found:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        _drop_slots(connection)
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")
    for name in names:
        with server.connect(name) as connection:
            connection.execute(_FILL)


def _drop_slots(connection: Any) -> None:
    """A killed log collector leaves its slot, and its sender for a moment; other tests count both."""
    rows = "SELECT slot_name, active_pid FROM pg_replication_slots WHERE slot_name LIKE 'dataprotect%'"
    for name, sender in connection.execute(rows).fetchall():
        if sender is not None:
            connection.execute("SELECT pg_terminate_backend(%s, 20000)", [sender])
        connection.execute("SELECT pg_drop_replication_slot(%s)", [name])


def done(job: Job) -> Any:
    """Run it here, as a worker would; what it returned."""
    return queue.result_of(queue.run_now(job))


def drop_clones() -> None:
    """A test restore leaves its clone to be looked at: its server would outlive the test."""
    for clone in Clone.objects.filter(state=CloneState.READY):
        with queue.foreground():
            done(clone_drop_start(actor=ACTOR, clone=clone))


@dataclass
class Scene:
    server: PostgresServer
    instance: Instance
    backup: Backup
    people: dict[str, User] = field(default_factory=dict)

    def rows(self, query: str, database: str = SHOP) -> list[tuple[Any, ...]]:
        with self.server.connect(database) as connection:
            return list(connection.execute(query).fetchall())

    def beside(self) -> set[str]:
        """Databases that restores left there."""
        return {
            name for (name,) in self.rows("SELECT datname FROM pg_database WHERE datname LIKE '%\\_\\_%'")
        }

    def person(self, name: str, role: str) -> User:
        """Made once; a DBA may see and restore this instance."""
        if name not in self.people:
            user = with_role(User.objects.create_user(name), role)
            if role == roles.DBA:
                instance_access_grant(
                    actor=ACTOR, instance=self.instance, holder=user,
                    permissions=["view_instance", "restore_instance", "change_instance"],
                )  # fmt: skip
            self.people[name] = User.objects.get(pk=user.pk)
        return self.people[name]

    def wish(self, scope: str, *databases: str, **more: Any) -> Wish:
        return replace(
            Wish(scope=scope, target_instance=self.instance, databases=databases, backup=self.backup,
                 reason="A test", ticket="CHG-1",
                 window_start=clock.now(), window_end=clock.now().replace(year=clock.now().year + 1)),
            **more,
        )  # fmt: skip

    def submitted(self, scope: str, *databases: str, **more: Any) -> RestoreRequest:
        """Asked for by the DBA anna, awaiting signatures."""
        anna = self.person("anna", roles.DBA)
        row = restore_draft(actor=anna, instance=self.instance, wish=self.wish(scope, *databases, **more))
        typed = databases[0] if len(databases) == 1 else self.instance.name
        return restore_submit(actor=anna, request=row, typed_target=typed)

    def sign(self, row: RestoreRequest) -> RestoreRequest:
        """By one person for each role that is missing."""
        for role in roles_missing(row):
            signer = self.person(f"signer-{role}".replace(" ", "-").lower(), role)
            row = approval_give(
                actor=signer, request=row, plan_hash=row.plan_hash, role=role, fresh_at=clock.now()
            )
        return row

    def started(self, row: RestoreRequest) -> Job:
        with queue.foreground():
            return restore_start(actor=self.person("anna", roles.DBA), request=row, fresh_at=clock.now())

    def run(self, scope: str, *databases: str, **more: Any) -> tuple[RestoreRequest, RestoreRun, Job]:
        """From the draft to its end, however it ends."""
        row = self.sign(self.submitted(scope, *databases, **more))
        job = queue.run_now(self.started(row))
        row.refresh_from_db()
        return row, RestoreRun.objects.get(request=row), job


def protect(server: PostgresServer, folder: Path, **settings: Any) -> Scene:
    """Register the server, look at it, back it up."""
    repository = repository_add(actor=ACTOR, name="cellar", url=str(folder))
    tier = Tier.objects.order_by("position").first()
    assert tier is not None
    instance = instance_add(
        actor=ACTOR, name="orders-db", host="127.0.0.1", port=server.port, user="postgres",
        password=Secret(server.password), tier=tier, repository=repository, data_directory=str(server.data),
    )  # fmt: skip
    restore_settings_set(
        actor=ACTOR, instance=instance, **{"watch_seconds": 0, "drain_seconds": 0, **settings}
    )
    with queue.foreground():
        done(instance_probe_start(actor=ACTOR, instance=instance))
        taken = done(backup_start(actor=ACTOR, instance=instance))
    instance.refresh_from_db()
    return Scene(server, instance, Backup.objects.get(backup_id=taken["backup_id"]))
