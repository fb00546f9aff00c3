"""What rereading stored log writes down: a cursor, an alert with the first damage, and its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django_q.models import Schedule

from catalog.models import Instance, LogScrub
from catalog.selectors.facts_places import oldest_read
from catalog.services.schedules import SCRUB
from catalog.services.scrub_record import log_part_record
from catalog.services.scrub_start import regular_share
from dataprotect.core import clock
from dataprotect.ops.models import Alert
from dataprotect.storage.model import Finding
from dataprotect.storage.scrubbing import Scrubbed

pytestmark = pytest.mark.django_db
DAMAGE = (Finding("i/logs/s/1", "its SHA-256 does not match"),)


@pytest.fixture
def progress(make_instance: Callable[..., Instance]) -> LogScrub:
    instance = make_instance("orders")
    return LogScrub.objects.create(instance=instance, repository=instance.repository)


def part(names: str, *, complete: bool = False, findings: tuple[Finding, ...] = ()) -> Scrubbed:
    return Scrubbed(tuple(names), 100, "" if complete else names[-1], complete, findings)


def test_the_cursor_moves_and_the_pass_is_dated_by_its_beginning(progress: LogScrub) -> None:
    began = clock.now() - timedelta(hours=1)
    log_part_record(progress=progress, part=part("ab"), at=began)
    progress.refresh_from_db()
    assert (progress.cursor, progress.last_read_at) == ("b", None)
    log_part_record(progress=progress, part=part("c", complete=True), at=clock.now())
    progress.refresh_from_db()
    assert (progress.cursor, progress.last_read_at, progress.pass_began_at) == ("", began, None)
    assert oldest_read() == {progress.repository_id: began}
    assert not Alert.objects.exists()


@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_the_regular_share_as_often_as_the_clock_starts_it_rereads_everything_in_time(
    days: int, settings: Any
) -> None:
    settings.SCRUB_DAYS = days
    each = Schedule.objects.get(func=SCRUB)
    assert each.schedule_type == Schedule.MINUTES
    runs = timedelta(days=days) // timedelta(minutes=each.minutes)
    assert runs * regular_share() >= 1.0


def test_damage_is_told_at_once_and_over_with_a_whole_good_pass(progress: LogScrub) -> None:
    now = clock.now()
    log_part_record(progress=progress, part=part("a", findings=DAMAGE), at=now)
    alert = Alert.objects.get()
    assert (alert.rule, alert.severity, alert.state) == ("log_damaged", "critical", "open")
    assert "i/logs/s/1: its SHA-256 does not match" in alert.detail
    log_part_record(progress=progress, part=part("b", complete=True), at=now)
    assert Alert.objects.get().state == "open", "this pass found damage"
    log_part_record(progress=progress, part=part("ab", complete=True), at=now)
    assert Alert.objects.get().state == "resolved"
