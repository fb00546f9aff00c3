"""Servers that push their log through archive_command: what that small program needs, and what it shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.conf import settings
from django.db import transaction

from catalog.models import Instance
from catalog.services.access import Actor, require
from catalog.services.keyring import keyring_path
from catalog.services.log_housekeeping import backups_check
from catalog.services.log_stretch import stretches_adopt
from catalog.services.opening import repository_open, source_of
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.archive_wal import FOLDER
from dataprotect.engine.databases.postgresql import server
from dataprotect.engine.databases.postgresql.connection import connect, foreseen
from dataprotect.engine.logs import another_cluster
from dataprotect.ops import home
from dataprotect.ops.services.audit import audit_record
from dataprotect.storage.logs import Heartbeat


def archive_prepare(*, actor: Actor, instance: Instance) -> Path:
    """Write the file that `archive_wal` reads; asks the server who it is. Do it again after a change.

    Raises `access.denied`, `logs.another_cluster`, what connecting raises.
    """
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    source = source_of(instance)
    with connect(source.address, statement_timeout=30) as connection, foreseen(source.address, "asking"):
        facts = server.facts(connection)
    if instance.system_identifier not in ("", facts.system_identifier):
        raise another_cluster(source, instance.system_identifier, facts.system_identifier)
    repository_open(instance.repository, write=True).claim_instance(
        instance.identifier, facts.system_identifier
    )
    place = home.place(FOLDER) / f"{instance.name}.json"
    _write(
        place,
        {
            "instance_id": instance.identifier,
            "repository": instance.repository.url,
            "keyring": str(keyring_path()),
            "system_identifier": facts.system_identifier,
            "segment_size": facts.wal_segment_size,
        },
    )
    with transaction.atomic():
        audit_record(actor=actor, verb="logs.archiving_prepared", subject=instance, data={"file": str(place)})
    return place


def _write(place: Path, document: dict[str, object]) -> None:
    temporary = place.with_suffix(".writing")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(document, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(place)


def archived_adopt() -> int:
    """Rows for what archive_command shipped since the last look; how many instances had something.

    The mark is taken away first: what comes meanwhile leaves a new one.
    """
    done = 0
    for mark in sorted((Path(settings.DATAPROTECT_HOME) / FOLDER).glob("*.shipped")):
        instance = Instance.objects.select_related("repository").filter(name=mark.stem).first()
        lines = _taken(mark)
        if instance is None:
            continue
        try:
            stored = repository_open(instance.repository)
            stretches_adopt(
                instance=instance, repository=instance.repository, stored=stored, headers=False,
                told=_beats(lines),
            )  # fmt: skip
            backups_check(instance=instance)
            done += 1
        except ForeseenError:
            with mark.open("a") as again:
                again.write(lines)
    return done


def _taken(mark: Path) -> str:
    """The mark's lines; moved aside before they are read, so that none is written into what goes."""
    aside = mark.with_suffix(".taken")
    try:
        mark.replace(aside)
    except FileNotFoundError:
        return ""  # another collector was quicker
    lines = aside.read_text()
    aside.unlink()
    return lines


def _beats(lines: str) -> list[tuple[Heartbeat, int]]:
    """Heartbeats with their timelines, as `archive_wal` noted them."""
    told = (json.loads(line) for line in lines.splitlines())
    return [(Heartbeat(clock.parse_iso(at), place), timeline) for timeline, at, place in told]
