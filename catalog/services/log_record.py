"""What a stream tells, on its way into the catalog. The stream's threads only leave it here; the collector
writes it down, so that a slow or absent catalog never holds back the log.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from catalog.models import Instance, LogHistory, RpoSample
from catalog.services.log_lease import CollectorLease
from catalog.services.log_stretch import (
    advances,
    gap_record,
    heartbeats_store,
    stored_until,
    stretch_extend,
    stretches_adopt,
)
from catalog.services.opening import repository_open
from catalog.states import CollectorState
from dataprotect.core import clock
from dataprotect.engine.databases.postgresql import lsn
from dataprotect.engine.logs import FoundGap, LogStatus
from dataprotect.storage.logs import Heartbeat, Shipped

SAMPLE_EVERY = timedelta(seconds=30)
_MOST_WAITING = 20_000
log = logging.getLogger(__name__)


@dataclass
class News:
    """What came since the last time it was written down."""

    ships: list[Shipped] = field(default_factory=list)
    beats: list[tuple[Heartbeat, int]] = field(default_factory=list)
    gaps: list[FoundGap] = field(default_factory=list)
    histories: list[tuple[int, bytes, str]] = field(default_factory=list)
    base_reasons: list[str] = field(default_factory=list)
    started: dict[str, object] | None = None
    shipped_at: datetime | None = None


class LogRecorder:
    """A `LogListener` of one instance. `flush` belongs to the collector's thread."""

    def __init__(self, instance: Instance, lease: CollectorLease) -> None:
        self.instance, self.lease = instance, lease
        self.status_now: LogStatus | None = None
        self._news = News()
        self._lock = threading.Lock()
        self._adopt = False
        self._worst = 0.0
        self._achieved: float | None = None
        self._sampled_at: datetime | None = None

    def started(self, *, timeline: int, position: int, slot: str, system_identifier: str) -> None:
        with self._lock:
            self._news.started = {
                "timeline": timeline, "slot_name": slot, "system_identifier": system_identifier,
            }  # fmt: skip

    def shipped(self, shipped: Shipped) -> None:
        with self._lock:
            self._news.shipped_at = clock.now()
            self._news.ships.append(shipped)
            # Only what lies in a header counts: the windows told here are those a repository alone tells.
            self._news.beats += [(beat, shipped.timeline) for beat in shipped.heartbeats]
            if len(self._news.ships) > _MOST_WAITING:
                self._news.ships.clear()
                self._adopt = True

    def history(self, timeline: int, content: bytes, lineage: str) -> None:
        with self._lock:
            self._news.histories.append((timeline, content, lineage))

    def status(self, status: LogStatus) -> None:
        with self._lock:
            self.status_now = status
            if status.exposure is not None:
                self._worst = max(self._worst, status.exposure)
                self._achieved = status.exposure

    def gap(self, gap: FoundGap) -> None:
        with self._lock:
            self._news.gaps.append(gap)

    def base_needed(self, reason: str) -> None:
        with self._lock:
            self._news.base_reasons.append(reason)

    def flush(self) -> None:
        """Write down what came. Raises LeaseLost, and what the database raises: then it is kept for later."""
        with self._lock:
            news, self._news = self._news, News()
        try:
            with transaction.atomic():
                self.lease.hold()
                self._write(news)
        except BaseException:
            self._put_back(news)
            raise
        if self._adopt:
            self._adopt_all()

    def _put_back(self, news: News) -> None:
        with self._lock:
            later = self._news
            for name in ("ships", "beats", "gaps", "histories", "base_reasons"):
                getattr(news, name).extend(getattr(later, name))
            news.started = later.started or news.started
            news.shipped_at = later.shipped_at or news.shipped_at
            self._news = news

    def _write(self, news: News) -> None:
        if news.started is not None:
            self._write_start(news.started)
        if news.beats:
            heartbeats_store(instance=self.instance, beats=news.beats)
        for timeline, content, lineage in news.histories:
            LogHistory.objects.update_or_create(
                instance=self.instance, timeline=timeline, lineage=lineage,
                defaults={"content": content.decode(errors="replace")},
            )  # fmt: skip
        for gap in news.gaps:
            gap_record(instance=self.instance, gap=gap)
        for advance in advances(news.ships):
            if not stretch_extend(
                instance=self.instance, system_identifier=self.instance.system_identifier, advance=advance
            ):
                self._adopt = True
        self._write_row(news)
        self._sample()

    def _write_start(self, started: dict[str, object]) -> None:
        columns = dict(started)
        system = str(columns.pop("system_identifier"))
        if self.instance.system_identifier != system:
            Instance.objects.filter(pk=self.instance.pk, system_identifier="").update(
                system_identifier=system
            )
            self.instance.system_identifier = system
        address = f"{self.instance.host}:{self.instance.port}"
        self.lease.rows().update(
            state=CollectorState.STREAMING, state_changed_at=clock.now(), failures=0, next_try_at=None,
            last_error="", last_error_code="", slot_address=address, slots_left=self._left(address),
            **columns,
        )  # fmt: skip

    def _left(self, address: str) -> list[str]:
        """Where a slot may be left now that it streams from `address`."""
        row = self.lease.rows().get()
        before = {*row.slots_left, row.slot_address} if row.slot_name else set(row.slots_left)
        return sorted(before - {address, ""})

    def _write_row(self, news: News) -> None:
        changes: dict[str, object] = {"updated_at": clock.now()}
        if news.shipped_at is not None:
            changes["last_shipped_at"] = news.shipped_at
        if news.base_reasons:
            changes |= {"base_reason": news.base_reasons[-1][:500], "base_needed_since": clock.now()}
        status = self.status_now
        if status is not None:
            changes |= {
                "timeline": status.timeline,
                "received_position": lsn.text(status.received),
                "shipped_position": lsn.text(status.shipped),
                "lag_bytes": max(0, status.server_end - status.shipped),
                "lag_seconds": status.exposure,
                "slot_status": status.slot_status or "",
                "slot_retained_bytes": max(0, status.slot_retained or 0),
            }
        self.lease.rows().update(**changes)

    def _sample(self) -> None:
        """One row each half minute, with the worst moment in it; also while nothing can be received."""
        now = clock.now()
        if self._sampled_at is not None and now - self._sampled_at < SAMPLE_EVERY:
            return
        with self._lock:
            worst, achieved, self._worst, self._achieved = self._worst, self._achieved, 0.0, None
        if achieved is None:
            reached = stored_until(self.instance)
            if reached is None:
                return
            worst = max(worst, (now - reached).total_seconds())
        self._sampled_at = now
        RpoSample.objects.create(
            instance=self.instance, at=now, exposure_seconds=max(0.0, worst), achieved_seconds=achieved
        )

    def _adopt_all(self) -> None:
        """Ships were not told in order (a catalog that was away, another collector): look what is stored."""
        try:
            stored = repository_open(self.instance.repository)
            stretches_adopt(
                instance=self.instance, repository=self.instance.repository, stored=stored, headers=False
            )
            self._adopt = False
        except Exception:
            log.warning("the stored log of %s could not be looked at", self.instance.name, exc_info=True)
