"""Facts read out of a repository into which a stream still writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.stored_timeline import StoredTimeline
from tests.storage.logs.wal import BEAT, SIZE, ship, ship_slice, writer
from tests.storage.trees import INSTANCE, make_repository


def test_slices_that_become_a_segment_while_it_looks_lose_no_heartbeat(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    out = writer(repository)
    ship_slice(out, 1, 0, 100)
    known = StoredTimeline(repository, INSTANCE)
    ship(out, 1)
    ship_slice(out, 2, 0, 100)
    found = known.sample()
    assert [beat.at for beat in found.beats] == [BEAT.at] * 2
    assert [(each.start, each.end) for each in found.stretches] == [(SIZE, 2 * SIZE + 100)]


def test_a_listed_object_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path)
    ship(writer(repository), 1)
    known = StoredTimeline(repository, INSTANCE)
    listed = list(known.logs.objects())
    monkeypatch.setattr(known.logs, "objects", lambda: iter(listed))
    repository.backend.delete(listed[0].name)
    with pytest.raises(ForeseenError) as refused:
        known.sample()
    assert refused.value.code == "storage.object_missing"
