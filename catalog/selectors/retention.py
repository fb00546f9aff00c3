"""The retention simulator: what goes when, and why each other stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.models import Backup, Instance
from catalog.selectors.retention_facts import RetentionFacts, retention_facts
from catalog.selectors.visible import Viewer, instance_get, instances_visible
from catalog.states import BackupState
from dataprotect.core import clock
from dataprotect.engine.retention import Decision, RetentionRules, Verdict


@dataclass(frozen=True, slots=True)
class SimulatedBackup:
    """One backup and what becomes of it at the simulated instant."""

    backup: Backup
    keep: bool
    reasons: tuple[str, ...]
    """Sentences: all that keep it, or why nothing does."""
    codes: frozenset[str]
    goes_on: datetime | None
    """When a kept one goes by the rules as they are; None where no date can be told."""

    @property
    def is_held(self) -> bool:
        return "hold" in self.codes

    @property
    def is_expiring(self) -> bool:
        return bool(self.backup.state == BackupState.EXPIRING)


@dataclass(frozen=True, slots=True)
class Simulation:
    """One instance at the instant `at`; `backups` newest first."""

    instance: Instance
    rules: RetentionRules
    at: datetime
    backups: tuple[SimulatedBackup, ...]

    @property
    def going(self) -> tuple[SimulatedBackup, ...]:
        return tuple(item for item in self.backups if not item.keep)

    @property
    def staying(self) -> tuple[SimulatedBackup, ...]:
        return tuple(item for item in self.backups if item.keep)

    @property
    def bytes_going(self) -> int:
        return sum(item.backup.bytes_stored for item in self.going)

    @property
    def bytes_staying(self) -> int:
        return sum(item.backup.bytes_stored for item in self.staying)

    @property
    def next_to_go(self) -> SimulatedBackup | None:
        """The kept one with the nearest known end."""
        dated = [item for item in self.staying if item.goes_on is not None]
        return min(dated, key=lambda item: item.goes_on or self.at, default=None)


def retention_simulation(
    *, user: Viewer, name: str, at: datetime | None = None, rules: RetentionRules | None = None
) -> Simulation:
    """One instance, by its own rules or by `rules` to try. Raises ForeseenError `instance.not_found`."""
    return simulate([instance_get(user=user, name=name)], at=at, rules=rules)[0]


def retention_simulations(*, user: Viewer, at: datetime | None = None) -> list[Simulation]:
    """Every instance that `user` may see, by name. Reads all their backups: for a command, or page by page
    with `simulate` of the page's instances."""
    return simulate(list(instances_visible(user=user).order_by("name")), at=at)


def simulate(
    instances: Sequence[Instance], *, at: datetime | None = None, rules: RetentionRules | None = None
) -> list[Simulation]:
    """In the order of `instances`, in a constant number of queries."""
    instant = at or clock.now()
    return [
        simulated(facts, facts.decide(instant, rules=rules), rules or facts.rules)
        for facts in retention_facts(instances)
    ]


def simulated(facts: RetentionFacts, decision: Decision, rules: RetentionRules) -> Simulation:
    return Simulation(
        instance=facts.instance,
        rules=rules,
        at=decision.at,
        backups=tuple(_simulated(facts.rows[item.name], item) for item in reversed(decision.backups)),
    )


def _simulated(row: Backup, verdict: Verdict) -> SimulatedBackup:
    return SimulatedBackup(
        backup=row,
        keep=verdict.keep,
        reasons=tuple(verdict.sentences),
        codes=frozenset(verdict.codes),
        goes_on=verdict.goes_on,
    )
