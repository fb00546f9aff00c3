"""Documents: canonical, checked, strict."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.storage.documents import DamagedObject, open_document, sealed_document

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
documents = st.dictionaries(st.text(), json_values, max_size=5)


@given(documents)
def test_what_was_sealed_opens(document):
    assert open_document("x", sealed_document(document)) == document


@given(documents, st.data())
def test_any_changed_byte_is_damage(document, data):
    sealed = sealed_document(document)
    position = data.draw(st.integers(0, len(sealed) - 1))
    change = data.draw(st.integers(1, 255))
    damaged = sealed[:position] + bytes([sealed[position] ^ change]) + sealed[position + 1 :]
    with pytest.raises(DamagedObject, match="object x is damaged"):
        open_document("x", damaged)


@given(documents)
def test_other_ways_to_write_the_same_json_are_damage(document):
    sealed = sealed_document(document)
    for other in (
        sealed[:-1],
        sealed + b"\n",
        b" " + sealed,
        json.dumps(json.loads(sealed)).encode() + b"\n",
        sealed.replace(b"{", b"{ ", 1),
    ):
        with pytest.raises(DamagedObject):
            open_document("x", other)


RUBBISH = [
    b"", b"\n", b"[]\n", b"null\n", b"{}\n", b"\xff\n", b"[" * 100_000, b'{"a":NaN}\n', b'{"a":1e999}\n',
]  # fmt: skip


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_is_damage_and_no_crash(rubbish):
    with pytest.raises(DamagedObject):
        open_document("x", rubbish)
