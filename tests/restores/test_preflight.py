"""What would fail later fails before anybody signs: the part that needs no server."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.models import Backup, Verification
from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Check
from dataprotect.engine.recovery_target import as_plain
from dataprotect.engine.timeline_model import Target
from restores.models import RestoreRequest
from restores.services.preflight import preflight
from restores.services.request_plan import plan_freeze
from tests.catalog.retained import Retained

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def retained(tmp_path: Path) -> Retained:
    """An incremental on a full, each read back."""
    found = Retained(tmp_path)
    for name, parents in (("full", []), ("i1", ["full"])):
        looked_at(found.backup(name, 2 - len(parents), parents=parents), passed=True)
    return found


def looked_at(backup: Backup, *, passed: bool, level: str = "checksum") -> None:
    now = clock.now()
    Verification.objects.create(
        backup=backup, level=level, passed=passed, checks=[], seconds=1.0, started_at=now, finished_at=now
    )


def found(retained: Retained, target: dict[str, str] | None = None) -> dict[str, Check]:
    backup = None if target else Backup.objects.get(backup_id="i1")
    request = RestoreRequest(
        instance=retained.instance, backup=backup, recovery_target=target, scope="test", restore_id="r0"
    )
    return {check.name: check for check in preflight(request=request)}


def test_what_a_backup_builds_on_is_looked_at_too(retained: Retained) -> None:
    checks = found(retained)
    for name in (
        "backup and log that lead there",
        "backup and what it builds on",
        "checksums",
        "repository and key",
    ):
        assert checks[name].passed, checks[name]
    assert checks["repository and key"].found == "2 manifests were opened"
    Backup.objects.filter(backup_id="full").update(state="damaged")
    assert found(retained)["backup and what it builds on"].passed is False
    assert "full is damaged" in found(retained)["backup and what it builds on"].found


def test_a_parent_that_is_gone_from_the_repository(retained: Retained) -> None:
    shutil.rmtree(next(retained.folder.rglob("backups/full")))
    assert found(retained)["repository and key"].passed is False


def test_the_last_reading_counts_and_none_is_not_known(retained: Retained) -> None:
    looked_at(Backup.objects.get(backup_id="full"), passed=False, level="restore")
    assert found(retained)["checksums"].passed, "a clone that did not compare says nothing of the bytes"
    looked_at(Backup.objects.get(backup_id="full"), passed=False, level="decode")
    assert found(retained)["checksums"].found == "full was found damaged"
    Verification.objects.all().delete()
    assert found(retained)["checksums"].passed is None


def test_an_instant_nothing_leads_to(retained: Retained) -> None:
    target = as_plain(Target("time", at=clock.now() - timedelta(days=9)))
    check = found(retained, target)["backup and log that lead there"]
    assert check.passed is False and "recovery window" in check.found


def test_a_database_that_was_never_seen_fails_at_once(retained: Retained) -> None:
    request = RestoreRequest(
        instance=retained.instance, target_instance=retained.instance,
        backup=Backup.objects.get(backup_id="i1"),
        scope="database", databases=["nosuch"], restore_id="r0",
    )  # fmt: skip
    checks = {check.name: check for check in preflight(request=request)}
    assert checks["database in the backup"].passed is False
    assert "was never seen to have nosuch" in checks["database in the backup"].found
    assert "server answers" not in checks, "there is nothing to ask it"
    with pytest.raises(ForeseenError) as refused:
        plan_freeze(request=request)
    assert refused.value.code == "restore.database_unknown"
