"""The monthly audit of retention: everything that was looked at, and every exception by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, Sum

from catalog.models import ChangeRequest, Expiry, Instance, LegalHold, RetentionAudit
from catalog.selectors.holds import active_holds
from catalog.selectors.retention_facts import RetentionFacts, retention_facts
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from catalog.states import ChangeState, ExpiryState
from dataprotect.core import clock
from dataprotect.engine.retention import Decision
from dataprotect.ops import queue
from dataprotect.ops.alert_states import Severity
from dataprotect.ops.context import JobContext
from dataprotect.ops.models import Job
from dataprotect.ops.services import alert_raise, alert_resolve
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.documents import canonical

TASK = "catalog.tasks.run_retention_audit"
RULE = "retention_exceptions"
FORMAT = 1
_TOLD = 5
_BATCH = 200
_LATE = timedelta(days=2)
_MONTH = timedelta(days=31)


def retention_audit_start(*, actor: Actor) -> Job:
    """Raises `access.denied`."""
    require(actor=actor, permission="catalog.view_retentionaudit")
    return queue.enqueue(
        TASK, actor=actor, subject="retention", title="Audit retention", exclusive="retention-audit"
    )


def retention_audit_run(*, context: JobContext) -> dict[str, Any]:
    """Look at every instance, write the report down and an audit event with its SHA-256."""
    now = clock.now()
    before = RetentionAudit.objects.order_by("-at").first()
    since = before.at if before is not None else now - _MONTH
    report = _report(context, since, now)
    digest = hashlib.sha256(canonical(report)).hexdigest()
    with transaction.atomic():
        context.hold()
        row = RetentionAudit(
            at=now, by=context.actor, period_from=since, report=report, sha256=digest,
            exceptions=len(report["exceptions"]), job_id=context.job_id,
        )  # fmt: skip
        save_clean(row)
        data = {"sha256": digest, "exceptions": row.exceptions, "totals": report["totals"]}
        audit_record(actor=context.actor, verb="retention.audited", subject=row, data=data)
        _tell(row)
    return {"audit": row.pk, "sha256": digest, "exceptions": row.exceptions, "totals": report["totals"]}


def _report(context: JobContext, since: datetime, now: datetime) -> dict[str, Any]:
    included: list[dict[str, Any]] = []
    excluded: list[dict[str, str]] = []
    exceptions: list[dict[str, str]] = []
    for facts in _all_facts(context):
        name = facts.instance.name
        if not facts.backups:
            excluded.append({"instance": name, "reason": "It has no backup."})
            exceptions.append(_exception(name, "no_evidence", "There is no backup to keep or to expire."))
            continue
        decision = facts.decide(now)
        included.append(_summary(facts, decision))
        exceptions += _exceptions(facts, decision, now)
    exceptions += _of_expiries(since, now)
    return {
        "format": FORMAT,
        "at": clock.iso(now),
        "period_from": clock.iso(since),
        "population": {"included": included, "excluded": excluded},
        "exceptions": exceptions,
        "totals": _totals(included, excluded, since),
    }


def _tell(row: RetentionAudit) -> None:
    """An alert for what was found, until an audit finds nothing."""
    if not row.exceptions:
        alert_resolve(RULE, reason="A later audit found no exception.")
        return
    codes = {each["code"] for each in row.report["exceptions"]}
    words = "1 exception" if row.exceptions == 1 else f"{row.exceptions} exceptions"
    alert_raise(
        rule=RULE,
        severity=Severity.CRITICAL if "deleted_under_hold" in codes else Severity.WARNING,
        title=f"The retention audit found {words}.",
        detail=" ".join(each["sentence"] for each in row.report["exceptions"][:_TOLD]),
        dedupe_key=RULE,
        link=f"/retention/audits/{row.pk}/",
    )


def _all_facts(context: JobContext) -> Iterable[RetentionFacts]:
    """A batch at a time: ten thousand instances do not fit into memory with all their backups."""
    keys = list(Instance.objects.order_by("name").values_list("pk", flat=True))
    context.phase("look at retention")
    for at in range(0, len(keys), _BATCH):
        context.checkpoint()
        rows = Instance.objects.filter(pk__in=keys[at : at + _BATCH]).order_by("name")
        yield from retention_facts(list(rows))


def _summary(facts: RetentionFacts, decision: Decision) -> dict[str, Any]:
    ends = [verdict.goes_on for verdict in decision.backups if verdict.keep and verdict.goes_on]
    return {
        "instance": facts.instance.name,
        "backups": len(facts.backups),
        "good": len(decision.good),
        "restore_tested": sum(item.proof == "restore_tested" for item in facts.backups),
        "kept": len(decision.kept),
        "going": decision.expired,
        "holds": len(facts.holds),
        "next_end": clock.iso(min(ends)) if ends else None,
    }


def _exceptions(facts: RetentionFacts, decision: Decision, now: datetime) -> list[dict[str, str]]:
    name, rules, found = facts.instance.name, facts.rules, []
    if rules.keep_everything:
        found.append(_exception(name, "no_policy", "No policy says how long its backups are kept."))
    if not decision.good:
        found.append(_exception(name, "no_good_backup", "None of its backups is good."))
    tested = sum(item.proof == "restore_tested" for item in facts.backups)
    if tested < rules.minimum_restore_tested:
        words = f"{tested} of at least {rules.minimum_restore_tested} restore-tested backups."
        found.append(_exception(name, "too_few_tested", words))
    going = set(decision.expired)
    for backup_id, row in facts.rows.items():
        late = backup_id in going and row.state != "expiring" and row.stopped_at < now - _LATE
        if late and not rules.keep_everything:
            found.append(
                _exception(name, "not_expired", f"Nothing keeps {backup_id}, and it was not marked.")
            )
    return found


def _of_expiries(since: datetime, now: datetime) -> list[dict[str, str]]:
    """What went while it was held, what should be gone, and what could not be deleted."""
    found = []
    gone = Expiry.objects.filter(state=ExpiryState.DELETED, deleted_at__gte=since)
    for row in gone.select_related("backup__instance").iterator():
        when = row.deleting_at or row.placed_at
        held = LegalHold.objects.filter(
            Q(lifted_at=None) | Q(lifted_at__gt=when), Q(until=None) | Q(until__gt=when),
            instance=row.backup.instance, placed_at__lt=when,
        )  # fmt: skip
        if held.filter(backup=row.backup).exists() or held.filter(backup=None).exists():
            words = f"{row.backup.backup_id} was deleted while a hold covered it."
            found.append(_exception(row.backup.instance.name, "deleted_under_hold", words))
    stuck = Expiry.objects.filter(state=ExpiryState.DELETING) | Expiry.objects.filter(
        state=ExpiryState.WAITING, delete_after__lt=now - _LATE
    )
    for row in stuck.select_related("backup__instance"):
        words = f"{row.backup.backup_id} should be deleted by now. {row.problem}".strip()
        found.append(_exception(row.backup.instance.name, "overdue", words))
    return found


def _exception(instance: str, code: str, sentence: str) -> dict[str, str]:
    return {"instance": instance, "code": code, "sentence": sentence}


def _totals(
    included: list[dict[str, Any]], excluded: list[dict[str, str]], since: datetime
) -> dict[str, int]:
    gone = Expiry.objects.filter(state=ExpiryState.DELETED, deleted_at__gte=since)
    freed = gone.aggregate(size=Sum("bytes_deleted"))["size"]
    done = ChangeRequest.objects.filter(state=ChangeState.EXECUTED, ended_at__gte=since)
    return {
        "instances": len(included) + len(excluded),
        "backups": sum(item["backups"] for item in included),
        "kept": sum(item["kept"] for item in included),
        "deleted": gone.count(),
        "bytes_deleted": int(freed or 0),
        "spared": Expiry.objects.filter(spared_at__gte=since).count(),
        "holds": LegalHold.objects.filter(active_holds(clock.now())).count(),
        "changes_executed": done.count(),
    }
