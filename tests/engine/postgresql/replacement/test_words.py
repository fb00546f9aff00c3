"""Names, messages and definitions: what is pure about a replacement."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.databases.postgresql.replacement import (
    definitions,
    messages,
    names,
    properties,
    smoke,
)
from dataprotect.engine.replace_model import SmokeTest

_databases = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1
).filter(lambda name: len(name.encode()) <= 63)
_ids = st.from_regex(r"[a-zA-Z0-9-]{1,32}", fullmatch=True)


@given(_databases, _databases, _ids, _ids)
def test_no_two_replacements_share_a_name(one: str, other: str, first: str, second: str) -> None:
    pairs = {(one, first), (other, second)}
    made = [name for database, number in pairs for name in _all(database, number)]
    assert len(set(made)) == 3 * len(pairs)
    assert all(len(name.encode()) <= 63 for name in made)
    assert not {one, other} & set(made) or "__" in one + other


def _all(database: str, restore_id: str) -> list[str]:
    found = names.of(database, restore_id)
    return [found.staged, found.kept, found.undone]


def test_a_name_that_can_be_read_stays_readable() -> None:
    assert _all("orders", "17") == ["orders__restore_17", "orders__before_17", "orders__undone_17"]
    long = names.of("ü" * 31, "17").staged
    assert long.startswith("ü" * 20) and long.endswith("__restore_17")


@pytest.mark.parametrize("restore_id", ["", "a_b", "x" * 33, "1;DROP", "ä", "1\n"])
def test_an_id_is_letters_digits_and_dashes(restore_id: str) -> None:
    with pytest.raises(InvalidInput):
        names.of("orders", restore_id)


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"$user", public', ["$user", "public"]), ('a,"b ""c"", d"', ["a", 'b "c", d']), ("one", ["one"])],
)
def test_a_stored_list_is_taken_apart(value: str, expected: list[str]) -> None:
    assert properties.listed(value) == expected


ERROR = "pg_restore: error: could not execute query: ERROR:  "


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (ERROR + 'role "gone" does not exist\nCommand was: GRANT x', "replace.role_missing"),
        (
            ERROR + 'extension "postgis" is not available\nDETAIL:  Could not open',
            "replace.extension_missing",
        ),
        (ERROR + 'could not extend file "base/1": No space left on device', "replace.no_room"),
        (ERROR + "out of shared memory\nHINT:  You might need to increase max_locks", "replace.locks"),
        (ERROR + "must be owner of extension plpgsql", "replace.rights"),
        ("pg_restore: error: server closed the connection unexpectedly", "connection.lost"),
        (ERROR + 'insert or update on table "x" violates foreign key', "replace.load_failed"),
        ("", "replace.load_failed"),
    ],
)
def test_an_error_is_told_by_its_cause(said: str, code: str) -> None:
    assert messages.explained("pg_restore", said).code == code


def test_a_full_disk_is_the_workers_when_pg_dump_writes_and_the_servers_when_it_says_so() -> None:
    ours = "pg_dump: error: could not write to file: No space left on device"
    theirs = 'pg_dump: error: query failed: ERROR:  could not write "base/pgsql_tmp": No space left on device'
    assert messages.explained("pg_dump", ours).code == "replace.spool_full"
    assert messages.explained("pg_dump", theirs).code == "replace.no_room"


def test_the_cause_comes_before_what_follows_from_it() -> None:
    said = (
        "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry 7; 1 2 ACL x\n" + ERROR + "first\n"
        "DETAIL:  more\nCommand was: y\npg_restore: error: a worker process died unexpectedly"
    )
    assert messages.first_error(said).endswith("ERROR:  first DETAIL:  more")


def test_a_message_is_ignored_only_by_a_rule_with_a_name() -> None:
    lines = messages.sorted_out(
        "pg_dump: warning: there are circular foreign-key constraints on this table:\n"
        "pg_dump: detail: emp\n\npg_restore: warning: something new\n"
    )
    assert lines[0].endswith("(circular foreign keys: rows are loaded before the keys are made)")
    assert lines[1].endswith(")") and lines[2] == "pg_restore: warning: something new"


DUMP = """
SET default_tablespace = '';
--
-- Name: a; Type: TABLE; Schema: public; Owner: x
--
{first}
--
-- Name: TABLE a; Type: ACL; Schema: public; Owner: x
--
GRANT SELECT ON TABLE public.a TO {one};
GRANT SELECT ON TABLE public.a TO {two};
"""


def test_definitions_do_not_depend_on_order_or_noise(tmp_path: Path) -> None:
    def read(**parts: str) -> dict[str, dict[str, str]]:
        file = tmp_path / "dump"
        file.write_text(DUMP.format(**parts))
        return definitions.by_object(file)

    known = read(first="CREATE TABLE public.a (i int);", one="b", two="c")
    assert set(known) == {"TABLE", "ACL"}
    assert read(first="\\restrict x\nSET y = z;\nCREATE TABLE public.a (i int);", one="c", two="b") == known
    assert read(first="CREATE TABLE public.a (i bigint);", one="b", two="c")["TABLE"] != known["TABLE"]
    (tmp_path / "empty").write_text("--\n")
    with pytest.raises(ForeseenError):
        definitions.by_object(tmp_path / "empty")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "file:///etc/passwd",
        "ftp://allowed:80/",
        "http://u:p@allowed:80/",
        "http://[",
        "//x",
    ],
)
def test_http_asks_nothing_outside_the_list(url: str) -> None:
    found = smoke.ask_http(SmokeTest("http", "it", url=url), {"allowed:80"})
    assert found.passed is False and found.found.startswith("not asked")
