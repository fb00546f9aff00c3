"""Holding the open alerts of some rules against what those rules find now: begin, count up, end.

Set-based: however many instances there are, an unchanged picture costs three queries and one UPDATE per
thousand open alerts. Only what begins, changes its severity or ends is written one by one, with its event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.db import transaction
from django.db.models import F

from dataprotect.core import clock
from dataprotect.ops.alert_finding import Finding
from dataprotect.ops.alert_states import UNRESOLVED
from dataprotect.ops.models import Alert
from dataprotect.ops.services.alert_raise import finding_raise, texts
from dataprotect.ops.services.alert_resolve import OVER, alert_end

_TOGETHER = 100
_PER_UPDATE = 1000
_TEXTS = ("title", "detail", "link")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Reconciled:
    raised: int
    seen_again: int
    resolved: int


def alerts_reconcile(*, rules: Iterable[str], findings: Sequence[Finding], looked_at: datetime) -> Reconciled:
    """Every unresolved alert of `rules` is in `findings`, or is over. Other rules' alerts are left alone.

    looked_at  when reading the facts began: what was raised after it is not ended, nobody looked for it yet
    """
    found = {finding.key: finding for finding in findings}
    unresolved = {
        alert.dedupe_key: alert for alert in Alert.objects.filter(rule__in=list(rules), state__in=UNRESOLVED)
    }
    new = [finding for key, finding in found.items() if key not in unresolved]
    still = {key: alert for key, alert in unresolved.items() if key in found}
    gone = [alert for key, alert in unresolved.items() if key not in found]
    over = [alert for alert in gone if alert.last_seen_at < looked_at]
    louder = [found[key] for key, alert in still.items() if alert.severity != found[key].severity]
    _together(finding_raise, [*new, *louder])
    _count_up(still, found, leave={finding.key for finding in louder})
    _together(_end, over)
    return Reconciled(raised=len(new), seen_again=len(still), resolved=len(over))


def _end(alert: Alert) -> bool:
    return alert_end(alert, actor="system", reason=OVER)


def _count_up(still: Mapping[str, Alert], found: Mapping[str, Finding], leave: set[str]) -> None:
    same = [alert for key, alert in still.items() if key not in leave]
    changed = [alert for alert in same if _takes_over(alert, found[alert.dedupe_key])]
    with transaction.atomic():
        Alert.objects.bulk_update(changed, _TEXTS, batch_size=_PER_UPDATE // 5)
        for some in _portions([alert.pk for alert in same], _PER_UPDATE):
            Alert.objects.filter(pk__in=some).update(count=F("count") + 1, last_seen_at=clock.now())


def _takes_over(alert: Alert, finding: Finding) -> bool:
    """Put the finding's words into the row in memory. True when that changed them."""
    words = texts(finding)
    changed = any(getattr(alert, name) != words[name] for name in _TEXTS)
    for name in _TEXTS:
        setattr(alert, name, words[name])
    return changed


def _together(change: Callable[[_Item], object], items: Sequence[_Item]) -> None:
    """A hundred per transaction: the chain of events has one end, and others want to write to it too."""
    for some in _portions(items, _TOGETHER):
        with transaction.atomic():
            for item in some:
                change(item)


def _portions(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
