"""The numbers in the text format Prometheus reads. A fresh registry per scrape: nothing is kept in between,
so every web process tells the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from catalog.selectors.metrics import InstanceNumbers, Numbers, RepositoryNumbers
from dataprotect import __version__

PREFIX = "dataprotect"
_INSTANCE: dict[str, tuple[str, Callable[[InstanceNumbers], float | None]]] = {
    "last_good_backup_age_seconds": ("Since the newest good backup ended", lambda one: one.last_good_age),
    "rpo_exposure_seconds": ("What a loss now would cost, by backup and log", lambda one: one.rpo_exposure),
    "rpo_target_seconds": ("What its tier allows to lose", lambda one: one.rpo_target),
    "rto_measured_seconds": ("The newest restore test that passed", lambda one: one.rto_measured),
    "rto_target_seconds": ("What its tier allows a restore to take", lambda one: one.rto_target),
    "log_lag_seconds": ("Age of the newest commit surely stored", lambda one: one.log_lag_seconds),
    "log_lag_bytes": ("Log written and not stored yet", lambda one: one.log_lag_bytes),
    "slot_retained_bytes": ("Log the server keeps for the slot", lambda one: one.slot_bytes),
}
_REPOSITORY: dict[str, tuple[str, Callable[[RepositoryNumbers], float | None]]] = {
    "usable": ("1 when the last check could use it", lambda one: float(one.usable)),
    "stored_bytes": ("What our backups take", lambda one: one.stored_bytes),
    "free_bytes": ("What can still be stored", lambda one: one.free_bytes),
    "days_until_full": ("If it goes on filling as it did", lambda one: one.days_left),
    "oldest_read_age_seconds": ("No object was reread longer ago", lambda one: one.oldest_read_age),
}


def exposition(numbers: Numbers) -> bytes:
    """The body of a scrape, UTF-8."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(numbers))
    return generate_latest(registry)


class _Scrape(Collector):
    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily(f"{PREFIX}_build", "The running program", {"version": __version__})
        yield from self._instances()
        yield from self._repositories()
        yield from self._work()
        yield from self._alerts()

    def _instances(self) -> Iterator[Metric]:
        for name, (words, read) in _INSTANCE.items():
            family = GaugeMetricFamily(
                f"{PREFIX}_instance_{name}", words, labels=("instance_name", "environment", "tier")
            )
            for one in self._numbers.instances:
                if (value := read(one)) is not None:
                    family.add_metric([one.name, one.environment, one.tier], value)
            yield family

    def _repositories(self) -> Iterator[Metric]:
        for name, (words, read) in _REPOSITORY.items():
            family = GaugeMetricFamily(f"{PREFIX}_repository_{name}", words, labels=("repository",))
            for one in self._numbers.repositories:
                if (value := read(one)) is not None:
                    family.add_metric([one.name], value)
            yield family

    def _work(self) -> Iterator[Metric]:
        queue = self._numbers.queue
        jobs = GaugeMetricFamily(f"{PREFIX}_jobs", "Jobs kept, by state", labels=("state",))
        for state, count in self._numbers.jobs.items():
            jobs.add_metric([state], count)
        yield jobs
        yield _gauge("workers", "Worker processes heard of in five minutes", queue.workers)
        yield _gauge("queue_alive", "1 when the sweeper came through the queue lately", float(queue.alive))
        yield _gauge("stop_active", "1 while the emergency stop is active", float(bool(queue.stop_reason)))
        oldest = queue.oldest_queued
        waited = 0.0 if oldest is None else (self._numbers.now - oldest).total_seconds()
        yield _gauge("queue_oldest_seconds", "How long the oldest queued job waits", max(0.0, waited))

    def _alerts(self) -> Iterator[Metric]:
        alerts = GaugeMetricFamily(
            f"{PREFIX}_alerts", "Unresolved alerts, by severity and state", labels=("severity", "state")
        )
        for labels, count in self._numbers.alerts.items():
            alerts.add_metric(labels, count)
        yield alerts
        unsent = GaugeMetricFamily(
            f"{PREFIX}_alert_messages", "Messages about alerts not sent", labels=("state",)
        )
        for state, count in self._numbers.deliveries.items():
            unsent.add_metric([state], count)
        yield unsent


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", words, value=value)
