"""Shipping log into a repository and getting it back, whatever happens on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.storage.documents import DamagedObject
from dataprotect.storage.logs import LogReader, streams, stretches
from dataprotect.storage.logs.checking import check_logs
from tests.storage.logs.wal import BEAT, SIZE, beat, name, plain, ship, ship_slice, writer
from tests.storage.trees import INSTANCE, SYSTEM, open_repository, root_of, store


def fetched(repository, number: int, into, **more) -> tuple[bytes, int]:
    place = into / "fetched"
    place.unlink(missing_ok=True)
    end = LogReader(repository, INSTANCE).fetch(name(number), place, **more)
    return place.read_bytes(), end


def test_a_segment_comes_back_as_it_was(repository, tmp_path):
    shipped = ship(writer(repository), 3)
    assert (shipped.timeline, shipped.start, shipped.end) == (1, 3 * SIZE, 4 * SIZE)
    assert fetched(open_repository(tmp_path), 3, tmp_path) == (plain(3), SIZE)
    [item] = LogReader(repository, INSTANCE).objects()
    header = LogReader(repository, INSTANCE).header(item)
    assert (header.kind, header.heartbeats, header.start, header.end) == ("wal", (BEAT,), "0/6000", "0/8000")
    assert check_logs(repository, INSTANCE) == []


def test_slices_join_and_are_padded(repository, tmp_path):
    out = writer(repository)
    for start, end in ((0, 100), (100, 101), (101, 5000)):
        ship_slice(out, 3, start, end)
    assert fetched(repository, 3, tmp_path) == (plain(3)[:5000] + bytes(SIZE - 5000), 5000)
    assert check_logs(repository, INSTANCE) == []


def test_the_complete_segment_replaces_its_slices(repository, tmp_path):
    out = writer(repository)
    sizes = [ship_slice(out, 3, 0, 100).stored, ship_slice(out, 3, 100, 200).stored]
    assert ship(out, 3).removed == sum(sizes)
    assert [item.kind for item in LogReader(repository, INSTANCE).objects()] == ["wal"]
    assert fetched(repository, 3, tmp_path) == (plain(3), SIZE)


def beats_of(repository) -> list:
    reader = LogReader(repository, INSTANCE)
    return [list(reader.header(item).heartbeats) for item in reader.objects()]


def test_the_complete_segment_keeps_the_heartbeats_of_its_slices(repository):
    out = writer(repository)
    ship_slice(out, 3, 0, 100, beats=[beat(0), beat(5)])
    ship_slice(out, 3, 100, 200, beats=[])
    assert ship(out, 3, beats=[beat(15)]).heartbeats == (beat(15),), "only what is new is told"
    assert beats_of(repository) == [[beat(0), beat(5), beat(15)]]


def test_a_writer_that_takes_over_keeps_the_heartbeats_it_finds(repository):
    first = writer(repository)
    for number in range(3):
        ship_slice(first, 3, 100 * number, 100 * number + 100, beats=[beat(5 * number)])
    second = writer(repository)
    ship_slice(second, 3, 300, 400, beats=[beat(15)])
    _, damaged, *_ = LogReader(repository, INSTANCE).objects()
    place = root_of(repository) / damaged.name
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[:40])
    ship(second, 3, beats=[])
    assert beats_of(repository) == [[beat(0), beat(10), beat(15)]]


def test_heartbeats_of_many_slices_are_thinned_but_for_the_newest(repository):
    out = writer(repository)
    for number in range(450):
        ship_slice(out, 3, number, number + 1, beats=[beat(number)])
    ship(writer(repository), 3, beats=[])
    [kept] = beats_of(repository)
    assert 100 < len(kept) <= 200 and kept[-1] == beat(449) and kept == sorted(kept)


def test_a_missing_slice_is_never_papered_over(repository, tmp_path):
    out = writer(repository)
    for start, end in ((0, 100), (100, 200), (200, 300)):
        ship_slice(out, 3, start, end)
    items = list(LogReader(repository, INSTANCE).objects())
    repository.backend.delete(items[1].name)
    assert fetched(repository, 3, tmp_path)[1] == 100
    found = stretches(LogReader(repository, INSTANCE).objects())
    assert [(each.start % SIZE, each.end % SIZE) for each in found] == [(0, 100), (200, 300)]
    repository.backend.delete(items[0].name)
    with pytest.raises(ForeseenError) as refused:
        fetched(repository, 3, tmp_path)
    assert refused.value.code == "logs.missing"
    assert not (tmp_path / "fetched").exists()


def test_slices_that_were_listed_may_have_become_a_complete_segment(repository, tmp_path):
    out = writer(repository)
    ship_slice(out, 3, 0, 100)
    ship_slice(out, 3, 100, 200)
    reader = LogReader(repository, INSTANCE)
    assert reader.fetch(name(3), tmp_path / "slices") == 200
    ship(out, 3)
    assert reader.fetch(name(3), tmp_path / "whole") == SIZE
    assert (tmp_path / "whole").read_bytes() == plain(3)


def test_a_listed_slice_that_is_lost_is_told(repository, tmp_path):
    out = writer(repository)
    for start, end in ((0, 100), (100, 200)):
        ship_slice(out, 3, start, end)
    reader = LogReader(repository, INSTANCE)
    reader.fetch(name(3), tmp_path / "before")
    repository.backend.delete(list(reader.objects())[1].name)
    with pytest.raises(ForeseenError) as refused:
        reader.fetch(name(3), tmp_path / "after")
    assert refused.value.code == "storage.object_missing"
    assert not (tmp_path / "after").exists()


def test_shipping_twice_does_no_harm(repository):
    first, second = writer(repository), writer(repository)
    assert first.stream == second.stream
    assert ship(first, 3).stored > 0
    assert ship(second, 3).stored == 0
    assert ship_slice(first, 4, 0, 50).stored > 0
    assert ship_slice(second, 4, 0, 50).stored == 0
    assert len(list(LogReader(repository, INSTANCE).objects())) == 2


def test_another_content_under_the_same_name_is_refused(repository, tmp_path):
    ship(writer(repository), 3)
    with pytest.raises(ForeseenError) as refused:
        ship(writer(repository), 3, data=plain(4))
    assert refused.value.code == "logs.different"
    assert fetched(repository, 3, tmp_path)[0] == plain(3)


def test_two_writers_cut_slices_at_different_places(repository, tmp_path):
    first, second = writer(repository), writer(repository)
    ship_slice(first, 3, 0, 100)
    ship_slice(second, 3, 0, 70)
    ship_slice(second, 3, 70, 900)
    ship_slice(first, 3, 100, 300)
    assert fetched(repository, 3, tmp_path) == (plain(3)[:900] + bytes(SIZE - 900), 900)
    assert [(each.start, each.end) for each in stretches(LogReader(repository, INSTANCE).objects())] == [
        (3 * SIZE, 3 * SIZE + 900)
    ]


def test_slices_that_another_writer_left_go_with_the_next(repository):
    first, second = writer(repository), writer(repository)
    ship(first, 3)
    ship_slice(second, 3, 0, 100)
    assert writer(repository).stored_end == (1, 4 * SIZE)
    assert [item.kind for item in LogReader(repository, INSTANCE).objects()] == ["wal"]


def test_every_flipped_byte_is_found(repository, tmp_path):
    ship_slice(writer(repository), 3, 0, 40)
    [item] = LogReader(repository, INSTANCE).objects()
    place = root_of(repository) / item.name
    place.chmod(0o600)
    good = place.read_bytes()
    for at in range(len(good)):
        place.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :])
        with pytest.raises(DamagedObject):
            fetched(repository, 3, tmp_path)
        assert not (tmp_path / "fetched").exists()
        assert len(check_logs(repository, INSTANCE)) == 1, f"byte {at}"
    for length in range(0, len(good), 7):
        place.write_bytes(good[:length])
        with pytest.raises(DamagedObject):
            fetched(repository, 3, tmp_path)
        assert len(check_logs(repository, INSTANCE)) == 1


def test_objects_cannot_change_places(repository, tmp_path):
    out = writer(repository)
    ship(out, 3), ship(out, 4)
    first, second = LogReader(repository, INSTANCE).objects()
    root = root_of(repository)
    (root / first.name).unlink()
    (root / second.name).rename(root / first.name)
    with pytest.raises(DamagedObject):
        fetched(repository, 3, tmp_path)


def test_a_history_comes_back(repository):
    out = writer(repository)
    out.ship_history(2, b"1\t0/6100\tno recovery target specified\n")
    assert LogReader(repository, INSTANCE).history(2) == b"1\t0/6100\tno recovery target specified\n"
    with pytest.raises(ForeseenError) as refused:
        out.ship_history(2, b"1\t0/7100\tno recovery target specified\n")
    assert refused.value.code == "logs.different"
    with pytest.raises(ForeseenError) as empty:
        out.ship_history(3, b"")
    assert empty.value.code == "logs.no_history"


def test_a_month_and_a_rotation_begin_new_streams_of_one_lineage(repository, tmp_path, monkeypatch):
    out = writer(repository)
    ship(out, 3)
    ship_slice(out, 4, 0, 100)
    monkeypatch.setattr(
        "dataprotect.storage.logs.writer.now", lambda: out.stream.started_at + timedelta(days=31)
    )
    assert out.outdated
    later = writer(repository)
    assert later.stream.stream_id != out.stream.stream_id
    assert later.stream.lineage == out.stream.lineage
    assert later.stored_end == (1, 4 * SIZE + 100)
    ship_slice(later, 4, 100, 200)
    assert fetched(repository, 4, tmp_path)[1] == 200
    ship(later, 4)
    assert [item.kind for item in LogReader(repository, INSTANCE).objects()] == ["wal", "wal"]
    monkeypatch.undo()
    repository.keyring.add_key()
    assert writer(open_repository(tmp_path, write=True)).stream.data_key_id != later.stream.data_key_id
    assert fetched(open_repository(tmp_path), 3, tmp_path) == (plain(3), SIZE)


def test_a_server_that_went_back_begins_a_lineage(repository, tmp_path):
    out = writer(repository)
    ship(out, 3), ship(out, 4)
    back = writer(repository, went_back=True)
    assert back.stream.lineage == back.stream.stream_id
    assert back.stored_end is None
    ship(back, 4, data=plain(99))
    assert fetched(repository, 4, tmp_path)[0] == plain(99)
    assert fetched(repository, 4, tmp_path, lineage=out.stream.lineage)[0] == plain(4)
    assert fetched(repository, 3, tmp_path)[0] == plain(3)
    assert len(stretches(LogReader(repository, INSTANCE).objects())) == 2


def test_another_cluster_is_refused(repository):
    with pytest.raises(ForeseenError) as refused:
        writer(repository, system_identifier="99")
    assert refused.value.code == "repository.foreign_cluster"


def test_a_backup_and_its_sweep_leave_the_log_alone(repository, tmp_path):
    ship(writer(repository), 3)
    store(repository, "a", {"f": b"x"}, spool=tmp_path)
    assert repository.sweep(INSTANCE) == []
    assert fetched(repository, 3, tmp_path)[0] == plain(3)
    stream_file = (
        root_of(repository) / INSTANCE / "logs" / writer(repository).stream.stream_id / "stream.json"
    )
    stream_file.chmod(0o600)
    stream_file.write_bytes(b"{}")
    assert repository.sweep(INSTANCE) == []
    assert streams.read_streams(repository.backend, INSTANCE, []) == []


def test_reading_needs_no_writing_door(repository, tmp_path):
    ship(writer(repository), 3)
    with pytest.raises(ForeseenError) as refused:
        writer(open_repository(tmp_path))
    assert refused.value.code == "repository.read_only"
    assert LogReader(open_repository(tmp_path), INSTANCE).streams()[0].system_identifier == SYSTEM
