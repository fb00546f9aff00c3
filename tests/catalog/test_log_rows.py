"""Rows of log: extended, adopted, thinned, acknowledged, shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.models import Heartbeat, LogCollector, LogGap, LogStretch, RpoSample
from catalog.selectors.logs import log_detail, log_gaps, log_list
from catalog.selectors.streaming import streaming_instances
from catalog.services.log_gap_acknowledge import log_gap_acknowledge
from catalog.services.log_housekeeping import log_thin
from catalog.services.log_lease import lease_claim
from catalog.services.log_streaming_set import log_streaming_set
from catalog.services.log_stretch import advances, gap_record, stretch_extend
from dataprotect.core.errors import ForeseenError
from dataprotect.engine.logs import FoundGap
from dataprotect.storage.logs import Heartbeat as StoredBeat
from dataprotect.storage.logs import Shipped

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


def ship(start: int, end: int, *, timeline: int = 1, kind: str = "slice", beats=(), **more) -> Shipped:
    return Shipped(kind, "a", timeline, start, end, stored=10, heartbeats=tuple(beats), **more)


def extend(instance, *ships: Shipped) -> list[bool]:
    return [
        stretch_extend(instance=instance, system_identifier="7", advance=advance)
        for advance in advances(ships)
    ]


@pytest.mark.django_db(transaction=True)
def test_ships_extend_one_stretch(make_instance):
    instance = make_instance()
    beat = StoredBeat(NOW, "0/150")
    assert extend(instance, ship(0x100, 0x180, beats=[beat]), ship(0x180, 0x200)) == [True]
    later = StoredBeat(NOW + timedelta(seconds=5), "0/2F0")
    assert extend(instance, ship(0x200, 0x300, beats=[later])) == [True]
    whole = ship(0x100, 0x400, kind="wal", removed=30, removed_objects=3)
    assert extend(instance, whole) == [True]
    [row] = LogStretch.objects.all()
    assert (row.start_position, row.end_position) == ("0/100", "0/400")
    assert (row.start_at, row.end_at) == (NOW, NOW + timedelta(seconds=5))
    assert (row.objects_count, row.bytes) == (1, 10)
    assert extend(instance, ship(0x500, 0x600)) == [False], "a hole must be noticed"
    assert extend(instance, ship(0x500, 0x600, timeline=2)) == [True]


@pytest.mark.django_db(transaction=True)
def test_a_gap_is_one_row_and_is_acknowledged_once(make_instance, person):
    instance = make_instance()
    found = FoundGap(1, 0x100, 0x200, "logs.wal_removed", "The server had removed it.")
    gap = gap_record(instance=instance, gap=found)
    assert gap_record(instance=instance, gap=found) == gap
    with pytest.raises(ForeseenError) as denied:
        log_gap_acknowledge(actor=person("stranger"), gap=gap, note="seen")
    assert denied.value.code == "access.denied"
    lead = person("lead", "DBA Lead")
    with pytest.raises(ForeseenError) as empty:
        log_gap_acknowledge(actor=lead, gap=gap, note="  ")
    assert empty.value.code == "input.note"
    log_gap_acknowledge(actor=lead, gap=gap, note="A new full backup was taken.")
    with pytest.raises(ForeseenError) as twice:
        log_gap_acknowledge(actor=lead, gap=gap, note="again")
    assert twice.value.code == "logs.gap_acknowledged"
    assert LogGap.objects.get().acknowledged_by == "lead"
    assert not log_gaps(user=lead, acknowledged=False).exists()


@pytest.mark.django_db(transaction=True)
def test_one_collector_at_a_time(make_instance):
    instance = make_instance()
    first = lease_claim(instance_id=instance.pk, owner="elsewhere:1:2:a")
    assert first is not None and first.fencing == 1
    assert lease_claim(instance_id=instance.pk, owner="elsewhere:1:2:b") is None
    LogCollector.objects.update(lease_until=NOW - timedelta(days=1))
    second = lease_claim(instance_id=instance.pk, owner="elsewhere:1:2:b")
    assert second is not None and second.fencing == 2
    assert not first.renew() and second.renew()
    second.release()
    assert lease_claim(instance_id=instance.pk, owner="elsewhere:1:2:c") is not None


@pytest.mark.django_db(transaction=True)
def test_wanted_by_choice_or_by_policy(make_instance, person):
    from catalog.models import Policy

    by_choice, by_policy, neither = make_instance("choice"), make_instance("policy"), make_instance("no")
    policy = Policy.objects.create(name="streams", stream_logs=True)
    by_policy.policy = policy
    by_policy.save()
    log_streaming_set(actor="system:test", instance=by_choice, wanted=True)
    assert {row.name for row in streaming_instances()} == {"choice", "policy"}
    log_streaming_set(actor="system:test", instance=by_policy, wanted=False)
    assert {row.name for row in streaming_instances()} == {"choice"}
    log_streaming_set(actor="system:test", instance=by_policy, wanted=None)
    assert {row.name for row in streaming_instances()} == {"choice", "policy"}
    assert neither.name not in {row.instance.name for row in log_list(user="system:test")}


@pytest.mark.django_db(transaction=True)
def test_thinning_keeps_the_last_of_each_span_and_the_worst_hour(make_instance):
    instance = make_instance()
    for hours in (1, 5, 100):
        for second in range(0, 120, 10):
            at = (NOW - timedelta(hours=hours)).replace(minute=0) + timedelta(seconds=second)
            Heartbeat.objects.create(instance=instance, at=at, position="0/1", timeline=1)
    old = NOW - timedelta(days=8)
    for minute, worst in ((0, 3.0), (1, 9.0), (2, 4.0)):
        RpoSample.objects.create(
            instance=instance, at=old + timedelta(minutes=minute), exposure_seconds=worst
        )
    log_thin(instance=instance, now=NOW)
    ages = [round((NOW - beat.at) / timedelta(hours=1)) for beat in Heartbeat.objects.all()]
    assert [ages.count(age) for age in (1, 5, 100)] == [12, 2, 1]
    assert [sample.exposure_seconds for sample in RpoSample.objects.all()] == [9.0]


@pytest.mark.django_db(transaction=True)
def test_the_list_asks_a_constant_number_of_questions(make_instance, django_assert_max_num_queries):
    for number in range(6):
        instance = make_instance(f"i{number}")
        log_streaming_set(actor="system:test", instance=instance, wanted=True)
        extend(instance, ship(0x100, 0x180))
        gap_record(instance=instance, gap=FoundGap(1, 1, 2, "logs.missing", "?"))
    with django_assert_max_num_queries(6):
        found = log_list(user="system:test")
    assert [row.open_gaps for row in found] == [1] * 6
    with django_assert_max_num_queries(12):
        detail = log_detail(user="system:test", name="i0")
    assert len(detail.stretches) == 1 and len(detail.gaps) == 1 and detail.target_seconds == 3600
