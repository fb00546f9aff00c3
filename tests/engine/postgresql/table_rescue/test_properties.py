"""Whatever happened since the instant: a rescue keeps its promises, and its undo gives back that state."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataprotect.engine import table_rescue
from tests.engine.postgresql.table_rescue.conftest import MakeTwo, Two, failed

IDS = st.integers(1, 8)
VALUES = st.sampled_from(["", "a", "b", None, "\\N", 'q"\t', "\u2603"])
EDIT = st.one_of(
    st.tuples(st.just("DELETE FROM {t} WHERE id = %s"), st.tuples(IDS)),
    st.tuples(st.just("UPDATE {t} SET v = %s WHERE id = %s"), st.tuples(VALUES, IDS)),
    st.tuples(
        st.just("INSERT INTO {t} (id, v) SELECT %s, %s WHERE {free}"), st.tuples(st.integers(1, 12), VALUES)
    ),
    st.tuples(st.just("UPDATE {t} SET id = 13 WHERE id = %s AND {free13}"), st.tuples(IDS)),
)
KEYED = "keyed"
BARE = "bare"
CREATE = (
    "CREATE TABLE keyed (id int PRIMARY KEY, v text, up int REFERENCES keyed)",
    "CREATE TABLE bare (id int, v text)",
    "INSERT INTO keyed SELECT g, 'v' || g FROM generate_series(1, 8) AS g",
    "INSERT INTO bare SELECT 1 + g % 4, 'v' || g % 2 FROM generate_series(1, 8) AS g",
)


def _edit(both: Two, name: str, statement: str, values: tuple[Any, ...]) -> None:
    free = f"NOT EXISTS (SELECT FROM {name} WHERE id = {{}})" if name == KEYED else "true"
    text = statement.format(t=name, free=free.format(values[0]), free13=free.format(13))
    both.live.execute(text, values)


def _content(both: Two, name: str, live: bool = True) -> Counter[tuple[Any, ...]]:
    connection = both.live if live else both.then
    return Counter(connection.execute(f"SELECT * FROM {name}").fetchall())


@pytest.fixture
def both(two: MakeTwo) -> Two:
    return two(*CREATE)


@pytest.mark.parametrize("postgres", ["postgres17"], indirect=True)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.explicit],
)
@given(
    edits=st.lists(st.tuples(st.sampled_from([KEYED, BARE]), EDIT), max_size=12),
    mode=st.sampled_from(["merge", "replace"]),
)
def test_promises_hold(both: Two, edits: list[Any], mode: Any) -> None:
    _as_at_the_instant(both)
    for name, (statement, values) in edits:
        _edit(both, name, statement, values)
    names = (KEYED, BARE)
    before = {name: _content(both, name) for name in names}
    then = {name: _content(both, name, live=False) for name in names}

    result = both.rescue(mode, *names)

    after = {name: _content(both, name) for name in names}
    assert failed(result) == []
    if mode == "replace":
        assert after == then
    else:
        for name in names:
            assert before[name] <= after[name]  # nothing that was there was lost or changed
        keys = {row[0] for row in before[KEYED]}
        assert after[KEYED] == before[KEYED] + Counter(row for row in then[KEYED] if row[0] not in keys)
        assert after[BARE] == before[BARE] | then[BARE]

    assert failed(both.undo()) == []
    assert {name: _content(both, name) for name in names} == before


def _as_at_the_instant(both: Two) -> None:
    table_rescue.forget_undo(both.target(), "r1")
    both.live.execute("TRUNCATE keyed, bare")
    for statement in CREATE[2:]:
        both.live.execute(statement)
