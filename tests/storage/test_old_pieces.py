"""Cutting a block's old pieces gives exactly the bytes that were asked for, wherever they lie."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dataprotect.storage.pipeline.comparing import OldPieces

_lengths = st.lists(st.integers(1, 20), min_size=1, max_size=12)


@given(_lengths, st.data())
def test_parts_in_order_name_the_bytes_of_the_whole(lengths, data):
    pieces = [[0, 7, frame, 10, 20, 100, 3 * frame, length] for frame, length in enumerate(lengths)]
    whole = [(frame, 3 * frame + byte) for frame, length in enumerate(lengths) for byte in range(length)]
    edges = sorted(data.draw(st.sets(st.integers(0, len(whole)), min_size=2, max_size=6)))
    old = OldPieces(json.dumps(pieces, separators=(",", ":"))[1:-1])
    for start, end in list(pairwise(edges))[:: data.draw(st.integers(1, 2))]:
        found = [json.loads(text) for text in old.part(start, end)]
        assert [each[:6] for each in found] == [[0, 7, each[2], 10, 20, 100] for each in found]
        assert [(each[2], each[6] + byte) for each in found for byte in range(each[7])] == whole[start:end]
