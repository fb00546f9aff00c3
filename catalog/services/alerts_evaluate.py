"""Once a minute: every watched rule against the facts, and the alerts made to match what was found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings

from catalog.models import Instance
from catalog.rules import logs, places, protection, schedule, work
from catalog.rules.catalogue import WATCHED
from catalog.rules.facts import InstanceFacts
from catalog.selectors import facts, facts_places, facts_schedule
from catalog.services.keyring import keyring_open, keyring_path
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.services.alert_reconcile import alerts_reconcile

NEW_FOR = timedelta(hours=1)
"""Whoever registers an instance is about to back it up: nobody is called for that within the hour."""


def alerts_evaluate() -> dict[str, int]:
    """Counts `{"raised", "seen_again", "resolved"}`. The number of queries is constant."""
    now = clock.now()
    found = [*_installation(now), *_instances(now), *_logs(now), *_schedule(now)]
    done = alerts_reconcile(rules=WATCHED, findings=found, looked_at=now)
    return {"raised": done.raised, "seen_again": done.seen_again, "resolved": done.resolved}


def _installation(now: datetime) -> Iterator[Finding]:
    yield from work.work_findings(facts_places.work_facts(now, _key_problem()), now)
    for repository in facts_places.repository_facts(now):
        yield from places.repository_findings(repository, now, settings.SCRUB_DAYS)


def _instances(now: datetime) -> Iterator[Finding]:
    for instance in facts.instance_facts(Instance.objects.order_by("pk"), now):
        if not _is_new(instance, now):
            yield from protection.instance_findings(instance, now)
    for backup in facts.bad_backups():
        yield protection.backup_damaged(backup)


def _logs(now: datetime) -> Iterator[Finding]:
    for gap in facts.open_gaps():
        yield logs.log_gap(gap)
    for collector in facts.collectors(facts_schedule.streaming_instances()):
        yield from logs.collector_findings(collector, now, settings.SLOT_RETAINED_LIMIT)


def _schedule(now: datetime) -> Iterator[Finding]:
    if (audit := facts_schedule.unmet_audit(now)) and (late := work.audit_late(*audit, now)):
        yield late
    for due in facts_schedule.unmet_runs(now):
        yield from schedule.due_findings(due, now)


def _is_new(instance: InstanceFacts, now: datetime) -> bool:
    return instance.last_good_at is None and now - instance.created_at < NEW_FOR


def _key_problem() -> str:
    """Why the keys cannot be read; empty when they can, or when there are none yet."""
    if not keyring_path().exists() and not Instance.objects.exists():
        return ""
    try:
        keyring_open()
    except ForeseenError as error:
        return error.message
    return ""
