"""The facts that recovery windows are computed from, read out of the repository alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import lsn, timeline_history
from dataprotect.engine.timeline import recovery_windows
from dataprotect.engine.timeline_model import (
    SEGMENT_SIZE,
    BackupPoint,
    Beat,
    Choice,
    Facts,
    Lineage,
    Stretch,
    Switch,
    Target,
)
from dataprotect.storage.backends.base import ObjectMissing
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.logs import LogObject, LogReader, stretches
from dataprotect.storage.repository import Repository
from dataprotect.storage.seal import Seal

HEADERS = 200
"""Headers read in one go: each costs one small read, which is a round trip where the repository is far."""


@dataclass
class StoredTimeline:
    """One instance's backups and logs. Heartbeats are read where they are needed, and remembered.

    good  which backups may be a base; every sealed one when nobody judges (a repository knows no states)
    """

    repository: Repository
    instance_id: str
    good: Callable[[Seal], bool] = lambda seal: True
    notes: list[str] = field(default_factory=list)
    """Sentences about what could not be read and was left out."""

    def __post_init__(self) -> None:
        self.logs = LogReader(self.repository, self.instance_id)
        self._list()
        self._read: dict[str, tuple[Beat, ...]] = {}
        self._backups = self._points()
        self._histories = self._switches()

    def facts(self) -> Facts:
        """With the heartbeats known so far; see `sample` and `refine`."""
        streams = {item.stream.lineage: item.stream for item in reversed(self.objects)}
        lineages = {
            name: Lineage(name, stream.system_identifier, lineage_began(name) or stream.started_at)
            for name, stream in streams.items()
        }
        sizes = {item.stream.segment_size for item in self.objects} or {SEGMENT_SIZE}
        return Facts(
            backups=tuple(self._backups),
            lineages=tuple(lineages.values()),
            stretches=tuple(
                Stretch(each.lineage, each.timeline, each.start, each.end) for each in stretches(self.objects)
            ),
            histories=self._histories,
            beats=tuple(beat for beats in self._read.values() for beat in beats),
            segment_size=min(sizes),
        )

    def sample(self) -> Facts:
        """Read the headers at the ends of every stretch, and some evenly spread between them."""
        looked_at: list[LogObject] = []
        while looked_at is not self.objects:
            looked_at = self.objects
            for stretch in stretches(looked_at):
                items = stretch.objects
                step = max(1, len(items) // HEADERS)
                self._look([*items[:2], *items[::step], *items[-8:]])
        return self.facts()

    def choose(self, target: Target) -> Choice:
        """The best base, with every heartbeat around the target taken into account.

        Raises `target.outside`, `target.no_window`.
        """
        choice = recovery_windows(self.sample()).choose_base(target)
        while self._look(self._around(choice)):
            choice = recovery_windows(self.sample()).choose_base(target)
        return choice

    def _around(self, choice: Choice) -> Sequence[LogObject]:
        """Unread objects between the readings on both sides of the target, thinned to a bounded number."""
        low = choice.bracket.low.position if choice.bracket.low else choice.base.stop_position
        high = choice.log_end
        inside = [
            item
            for item in self.objects
            if item.kind != "history" and item.name not in self._read
            and item.stream.lineage == choice.line.lineage and item.end > low and item.start < high
        ]  # fmt: skip
        return inside[:: max(1, len(inside) // HEADERS)]

    def _list(self) -> None:
        """What is stored now. Slices go when their segment is complete: a list soon names what is gone."""
        self.objects = list(self.logs.objects())

    def _look(self, items: Iterable[LogObject]) -> bool:
        """Read headers not read yet; True when there was anything to read, or to list anew."""
        new = [item for item in {item.name: item for item in items}.values() if item.name not in self._read]
        for item in new:
            try:
                header = self.logs.header(item)
            except ObjectMissing:
                self._list()
                if any(each.name == item.name for each in self.objects):
                    raise
                return True
            except DamagedObject as error:
                self._read[item.name] = ()
                self.notes.append(error.message)
                continue
            self._read[item.name] = tuple(
                Beat(beat.at, lsn.parse(beat.position), item.timeline) for beat in header.heartbeats
            )
        return bool(new)

    def _points(self) -> list[BackupPoint]:
        damaged: list[object] = []
        seals = list(self.repository.seals(self.instance_id, damaged))  # type: ignore[arg-type]
        self.notes += [str(each) for each in damaged]
        self._seals = [seal for seal in seals if seal.facts.get("engine") == "postgresql"]
        return [backup_point(seal, self.good(seal)) for seal in self._seals]

    def _switches(self) -> dict[tuple[str, int], tuple[Switch, ...]]:
        """From history files, and from what backups wrote down where no file is stored."""
        found: dict[tuple[str, int], tuple[Switch, ...]] = {}
        for item in self.objects:
            if item.kind == "history":
                try:
                    text = self.logs.content(item).decode("utf-8", "replace")
                except ForeseenError as error:
                    self.notes.append(error.message)
                    continue
                found[item.stream.lineage, item.timeline] = switches(text)
        names = {item.stream.lineage for item in self.objects} | {""}
        for seal in self._seals:
            history = timeline_history.of_facts(seal.facts)
            for name in names if history else ():
                key = (name, int(seal.facts["timeline"]))
                found.setdefault(key, tuple(Switch(*step) for step in history or ()))
        return found


def switches(history: str) -> tuple[Switch, ...]:
    """A history file's content. Raises ForeseenError for a position that is none."""
    return tuple(Switch(timeline, left) for timeline, left in timeline_history.parse(history))


def backup_point(seal: Seal, good: bool) -> BackupPoint:
    facts = seal.facts
    stop = lsn.parse(str(facts["stop_position"]))
    stopped = facts.get("stopped_at")
    return BackupPoint(
        backup_id=seal.backup_id,
        type=seal.type,
        good=good,
        system_identifier=str(facts["system_identifier"]),
        timeline=int(facts["timeline"]),
        start_position=lsn.parse(str(facts["start_position"])),
        stop_position=stop,
        own_end=max(stop, lsn.parse(str(facts.get("log_end_position", facts["stop_position"])))),
        stopped_at=clock.parse_iso(stopped) if stopped else seal.finished_at,
    )


def lineage_began(lineage: str) -> datetime | None:
    """A lineage bears the instant of its first stream in its name; that stream may be gone by now."""
    try:
        return datetime.strptime(f"{lineage[:15]}+0000", "%Y%m%dT%H%M%S%z")
    except ValueError:
        return None
