"""The rows come back into the live table: one person asks, another signs the frozen plan, nothing is lost."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import User
from psycopg import sql

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.core.wording import counted
from dataprotect.engine.recovery_target import parse_target
from restores.demo.jobs import follow
from restores.demo.registration import registrar
from restores.demo.scene import Scene
from restores.demo.stages.accident import Contents, live_contents
from restores.demo.story import took
from restores.models import RestoreRequest, RestoreRun
from restores.services.approval_give import approval_give
from restores.services.request_draft import Wish, restore_draft
from restores.services.request_start import restore_start
from restores.services.request_submit import restore_submit
from restores.services.restore_account import restore_settings_set
from restores.states import Scope, TableMode

TITLE = "The rows come back, signed by a second person"
SIGNER, ROLE = "senior-dba", "DBA"
ACCOUNT = "dataprotect_restore"
WATCH_SECONDS = 5


def run(scene: Scene) -> dict[str, Any]:
    """Raises `demo.not_proved` unless every row is there again, and every later one still is."""
    story, before = scene.story, live_contents(scene)
    _give_account(scene)
    row = _ask(scene)
    story.fact("asked by", f"{row.requested_by_name}: merge the missing rows of shop.payment")
    story.fact("plan", f"SHA-256 {row.plan_hash}, about {took(row.plan['expected_seconds'])}")
    signer = User.objects.get(username=SIGNER)
    approval_give(
        actor=signer, request=row, plan_hash=row.plan_hash, role=ROLE, fresh_at=clock.now()
    )  # the demo printed the passwords: it signs as these people would
    story.proof(f"{SIGNER} signed exactly that plan as {ROLE}; whoever asked could not have")
    job = restore_start(actor=registrar(), request=row, fresh_at=clock.now())
    follow(job, story, scene.check)
    return {"rescue": _prove(scene, row, before)}


def _give_account(scene: Scene) -> None:
    """The account of backups only reads; this one may write, and its password is sealed like every other."""
    password = Secret(secrets.token_urlsafe(24))
    user = sql.Identifier(ACCOUNT)
    with scene.server.connect() as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ACCOUNT]).fetchone()
        if not known:
            connection.execute(sql.SQL("CREATE ROLE {}").format(user))
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN SUPERUSER").format(user))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(user, sql.Literal(password.reveal())))
    restore_settings_set(
        actor=registrar(), instance=scene.instance, user=ACCOUNT, password=password,
        watch_seconds=WATCH_SECONDS,
    )  # fmt: skip


def _ask(scene: Scene) -> RestoreRequest:
    target = parse_target(time=scene.summary["accident"]["instant"], now=clock.now())
    wish = Wish(
        scope=Scope.TABLE, target_instance=scene.instance, recovery_target=target, databases=("shop",),
        tables=(("shop", "payment"),), table_mode=TableMode.MERGE, ticket="DEMO-1",
        reason="Somebody ran DELETE without WHERE.",
    )  # fmt: skip
    row = restore_draft(actor=registrar(), instance=scene.instance, wish=wish)
    return restore_submit(actor=registrar(), request=row, typed_target="shop")


def _prove(scene: Scene, row: RestoreRequest, before: Contents) -> dict[str, Any]:
    story, after = scene.story, live_contents(scene)
    run = RestoreRun.objects.get(request=row)
    rescued = next(iter(run.steps.get(kind="rescue").evidence["tables"]))
    wanted = before.rows + rescued["inserted"]
    if after.rows != wanted or after.rows < scene.summary["accident"]["rows_before"]:
        raise ForeseenError(
            "demo.not_proved",
            f"shop.payment has {after.rows} rows, and {wanted} were to be there.",
            "Look at the restore's page, and do not rely on this installation.",
        )
    story.proof(
        f"{counted(rescued['inserted'], 'row')} came back into the live table, and the "
        f"{before.rows:,} written since are still there"
    )
    story.say(f"  {run.message}")
    story.say("  It can be rolled back on its page for three days.")
    return {
        "restore_id": row.restore_id, "rows_inserted": rescued["inserted"], "rows_live": after.rows,
        "rto_seconds": run.rto_seconds, "signed_by": SIGNER,
    }  # fmt: skip
