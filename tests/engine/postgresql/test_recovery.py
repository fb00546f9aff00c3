"""The texts a restored server reads: what they must say, and that nothing in them can say more."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import recovery, restored_layout
from dataprotect.engine.databases.postgresql.recovery import RecoveryTarget
from dataprotect.storage.model import FileEntry

PLACES = st.dictionaries(
    st.integers(1, 2**32 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(lambda text: "/" + text),
    max_size=5,
)


@given(PLACES)
def test_a_tablespace_map_says_what_was_put_into_it(places: dict[int, str]) -> None:
    assert recovery.parse_tablespace_map(recovery.tablespace_map(places)) == places


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r")))
def test_a_setting_is_one_quoted_value(value: str) -> None:
    line = recovery.setting("name", value)
    found = re.fullmatch(r"name = '((?:''|\\.|[^'\\])*)'\n", line)
    assert found is not None
    assert found[1].replace("''", "'").replace("\\\\", "\\") == value


def test_the_fence_comes_last_and_wins() -> None:
    original = "archive_mode = on\nprimary_conninfo = 'host=production'\nrecovery_target_time = '2020-01-01'"
    lines = recovery.fenced_auto_conf(original, RecoveryTarget("0/5000000")).splitlines()
    last = {line.split(" = ")[0]: line.split(" = ")[1] for line in lines if " = " in line and line[0] != "#"}
    assert last["archive_mode"] == "'off'"
    assert last["primary_conninfo"] == "''"
    assert last["recovery_target_time"] == "''"
    assert last["recovery_target_lsn"] == "'0/5000000'"
    assert lines[:3] == original.splitlines()


@pytest.mark.parametrize(
    ("text", "redirected"),
    [
        ("port = 5433\n#data_directory = '/x'\n", set()),
        ("data_directory = '/var/lib/pg'\n", {"data_directory"}),
        ("  HBA_FILE '/etc/hba'", {"hba_file"}),
        ("include_dir 'conf.d'\n", {"data_directory", "hba_file", "ident_file", "external_pid_file"}),
        ("include = '/etc/shared.conf'\n", {"data_directory", "hba_file", "ident_file", "external_pid_file"}),
    ],
)
def test_what_leads_back_to_the_source_is_led_here(text: str, redirected: set[str]) -> None:
    changed = recovery.redirected_conf(text, "/restored")
    if not redirected:
        assert changed is None
        return
    assert changed is not None
    added = changed[len(text) :]
    assert set(re.findall(r"^(\w+) = ", added, re.MULTILINE)) == redirected
    assert "/etc" not in added


@pytest.mark.parametrize("path", ["/etc/passwd", "pgdata/../../etc/passwd", "..", "pgdata/a\0b", ""])
def test_a_path_that_leaves_the_target_is_refused(path: str) -> None:
    with pytest.raises(ForeseenError) as refused:
        restored_layout.survey([FileEntry(path, "file", 0o600, 0.0, 1, "", "")])
    assert refused.value.code == "restore.unsafe_path"
