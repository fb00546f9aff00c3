"""Where a replacement stands: a pure decision, tried over everything a server could answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataprotect.engine.databases.postgresql.replacement import staged
from dataprotect.engine.databases.postgresql.replacement.standing import Found, Seen, decide
from dataprotect.engine.replace_model import Origin

OLD, NEW, OTHER = 100, 200, 300
LOADING, COMPLETE = staged.note("7", complete=False), staged.note("7", complete=True)
ORIGIN = Origin("orders", "7", OLD, "server")

_found = st.one_of(
    st.none(),
    st.builds(
        Found, st.sampled_from([OLD, NEW, OTHER]), st.booleans(), st.sampled_from([None, LOADING, COMPLETE])
    ),
)  # fmt: skip
_seen = st.builds(Seen, st.sampled_from(["server", "another"]), _found, _found, _found, _found)
_origin = st.builds(
    Origin, st.just("orders"), st.just("7"), st.sampled_from([OLD, None]), st.just("server"),
    st.sampled_from([None, NEW]),
)  # fmt: skip


def seen(**found: Found) -> Seen:
    return Seen("server", **found)


def test_the_way_of_one_replacement() -> None:
    old, new = Found(OLD, True), Found(NEW, True)
    closed_old, closed_new = Found(OLD, False), Found(NEW, False)
    way = [
        ("untouched", seen(in_use=old)),
        ("loading", seen(in_use=old, staged=Found(NEW, True, LOADING))),
        ("loading", seen(in_use=old, staged=Found(NEW, True, None))),
        ("staged", seen(in_use=old, staged=Found(NEW, True, COMPLETE))),
        ("staged", seen(in_use=old, staged=Found(NEW, True, COMPLETE + "\nOrders of 2026"))),
        ("swapped", seen(in_use=new, kept=closed_old)),
        ("rolled back", seen(in_use=old, undone=closed_new)),
        ("untouched", seen(in_use=old)),
    ]
    assert [decide(ORIGIN, each).place for _, each in way] == [place for place, _ in way]


def test_without_the_kept_one_only_a_noted_number_tells() -> None:
    alone = seen(in_use=Found(NEW, True))
    assert decide(ORIGIN, alone).place == "unclear"
    known = decide(Origin("orders", "7", OLD, "server", NEW), alone)
    assert (known.place, known.can_swap_back) == ("swapped", False)


def test_where_there_was_none_before() -> None:
    nothing = Origin("orders", "7", None, "server", NEW)
    assert decide(nothing, seen()).place == "untouched"
    assert decide(nothing, seen(staged=Found(NEW, True, COMPLETE))).place == "staged"
    swapped = decide(nothing, seen(in_use=Found(NEW, True)))
    assert (swapped.place, swapped.can_swap_back) == ("swapped", True)
    assert decide(nothing, seen(undone=Found(NEW, False))).place == "rolled back"


@given(_origin, _seen)
def test_nothing_is_claimed_that_the_numbers_do_not_say(origin: Origin, found: Seen) -> None:
    standing = decide(origin, found)
    in_use = found.in_use.oid if found.in_use else None
    if standing.place in ("untouched", "loading", "staged", "rolled back"):
        assert in_use == origin.oid
        assert found.kept is None
    if standing.place == "swapped":
        assert in_use is not None and in_use != origin.oid
        assert found.staged is None
        assert found.kept is None or found.kept.oid == origin.oid
    if standing.place == "staged":
        assert found.staged is not None and found.staged.comment == COMPLETE
    if standing.place != "unclear":
        assert found.system_identifier == origin.system_identifier
        assert found.in_use is None or found.in_use.open
    assert standing.because.endswith(".")


@given(_origin, _seen)
def test_swapping_back_is_offered_only_where_the_old_one_is_known(origin: Origin, found: Seen) -> None:
    if decide(origin, found).can_swap_back:
        assert (found.kept.oid if found.kept else None) == origin.oid
