"""One validator for each thing that may be typed: what passes, what is refused, what the refusal shows."""

# ruff: noqa: E501, RUF001  the lists below are strange on purpose

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.core import validation as v
from dataprotect.core.errors import InvalidInput

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
PREFIXES = ["/srv/backups", "/tmp"]
BUCKETS = ["s3://backups", "s3://team/databases/"]


def host(value: Any) -> str:
    return v.host(value, resolve=None)


def timestamp(value: Any) -> datetime:
    return v.timestamp(value, now=NOW)


def bucket_url(value: Any) -> str:
    return v.bucket_url(value, allowed=["s3://"])


def local_path(value: Any) -> Path:
    return v.local_path(value, allowed=PREFIXES)


def repository_url(value: Any) -> str:
    return v.repository_url(value, local_prefixes=PREFIXES, bucket_prefixes=["s3://"])


VALIDATORS: dict[str, Callable[[Any], Any]] = {
    "backup_id": v.backup_id,
    "database_name": v.database_name,
    "instance_name": v.instance_name,
    "repository_name": v.repository_name,
    "user_name": v.user_name,
    "region": v.region,
    "port": v.port,
    "host": host,
    "timestamp": timestamp,
    "bucket_url": bucket_url,
    "local_path": local_path,
    "repository_url": repository_url,
    "tablespace_mapping": v.tablespace_mapping,
}

GOOD: dict[str, list[Any]] = {
    "backup_id": ["orders-20261122T150758Z-full-7f3a", "a", "_", "A" * 128],
    "database_name": ["orders", "_x", "Postgres", "postgres", "a" * 63, "order_2"],
    "instance_name": ["orders", "orders-2", "7up", "a" * 63],
    "repository_name": ["nas1", "off-site_2"],
    "user_name": ["postgres", "backup.user", "svc$1", "app@site", "_x"],
    "region": ["eu-central-1", "westeurope", "dc1", "a"],
    "port": [1, "1", "5432", 65535],
    "host": ["db1", "db1.example.org", "db1.example.org.", "10.0.0.1", "::1", "2001:db8::1", "my_host",
             "/var/run/postgresql", "xn--bcher-kva.example"],
    "timestamp": ["2026-11-22T14:59:59Z", "2026-11-22T15:00:00Z", "2026-11-22T16:59:59+02:00",
                  "2024-02-29T00:00:00-05:30"],
    "bucket_url": ["s3://abc", "s3://abc/", "s3://a.b-c/x/y.z_1/", "s3://backups/2026"],
    "local_path": ["/srv/backups", "/srv/backups/a b/ü", "/tmp/x/", "/tmp//x"],
    "repository_url": ["/srv/backups/nas", "file:///srv/backups/nas", "s3://backups/a"],
    "tablespace_mapping": ["fast=/srv/restore/fast", "a=/x=y", "16385=/x"],
}  # fmt: skip

INJECTIONS = [
    "", " ", "\n", "\0", "x\n", "x\r\nX-Header: 1", "x\0y", " x", "x ", "x\ty", "x\x1b[31m",
    # SQL
    "x'; DROP TABLE users; --", 'x"; DROP DATABASE x; --', "x' OR '1'='1", "x/**/UNION/**/SELECT", "$$x$$", "x;",
    # shell
    "$(id)", "`id`", "x|id", "x&&id", "x>y", "x${IFS}y", "-rf", "--help", "~root", "*", "!!", "x\\ny",
    # conninfo and addresses
    "host='x' password=geheim", "x password=geheim", "db1,db2", "db1:5432", "db1 port=1", "user:geheim@db1",
    "postgresql://u:geheim@db1/x", "http://169.254.169.254/latest", "127.1", "0x7f.1", "2130706433", "0177.0.0.1",
    "fe80::1%eth0", "[::1]", ".db1", "db1..org", "-db1", "db1-", "a" * 64 + ".org", "a" * 254,
    # paths
    "..", "../../etc/passwd", "/srv/backups/../../etc/passwd", "/srv/backups/./x", "/etc/passwd",
    "/srv/backups-evil", "/srv/backups/x\0/y", "/srv/backups/x\n", "%2e%2e%2f", "..\\..\\windows", "C:\\x",
    "file://host/srv/backups", "file:///etc", "file:///srv/backups/../x", "/" + "a" * 5000,
    # buckets
    "s3://", "s3://a", "s3://AB", "s3://abc/../x", "s3://a..b/x", "s3://abc/./x", "s3://abc//x", "S3://abc",
    "s3://key:geheim@abc/x", "s3://abc/x?token=geheim", "s3://abc/x#y", "s3://192.168.1.1/x", "s3://abc/x y",
    "s3://-abc", "s3://abc/é", "gs://abc", "https://abc.s3.amazonaws.com/",
    # Unicode: confusables, other digits, right-to-left, zero width, combining, full width, lone surrogate
    "оrders", "ｏｒｄｅｒｓ", "١٢٣", "５４３２", "x\u202ey", "x\u200by", "x\u00ad", "é", "é", "x\ud800", "🐘", "Ω", "ſ",
    # templates, formats, LDAP, XML, JavaScript
    "{{7*7}}", "{%debug%}", "${jndi:ldap://x}", "%s%s%n", "{0.__class__}", "*)(uid=*", "<script>alert(1)</script>",
    "javascript:alert(1)", "<!ENTITY x SYSTEM 'file:///etc/passwd'>", "x" * 100_000,
    # numbers and instants
    "0", "-1", "+1", "65536", "99999999999999999999", "1e3", "0x50", "1.0", "007", "1_000", "５",
    "2026-11-22T15:00:01Z", "2027-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z",
    "2026-11-22T24:00:00Z", "2026-11-22T14:60:00Z", "2026-11-22T14:59:60Z", "2026-11-22T14:59:59",
    "2026-11-22 14:59:59Z", "2026-11-22T14:59:59z", "2026-11-22T14:59:59+0200", "2026-11-22T14:59:59+99:00",
    "2026-11-22T14:59:59+02:75", "2026-11-22T14:59:59.5Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "٢٠٢٦-11-22T14:59:59Z", "2026-11-22T14:59:59Z\n", "now", "2026-W47-7",
    # mappings
    "=", "=/x", "fast=", "fast=relative", "fast=/x/../y", "fa st=/x", "fast=/x\n", "1fast=/x", "0=/x", "-1=/x", "12345678901=/x", "odd-name=/x",
]  # fmt: skip

# The list is shared, so some of it is harmless to some validators. Each of these is named here.
MAY_PASS: dict[str, set[str]] = {
    "backup_id": {"-rf", "--help", "-db1", "db1-", "007", "0", "-1", "1_000", "2130706433", "now", "0x50", "1e3", "65536",
                  "99999999999999999999", "2026-W47-7"},
    "database_name": {"now"},
    "instance_name": {"db1-", "007", "0", "1_000", "2130706433", "now", "0x50", "1e3", "65536",
                      "99999999999999999999", "2026-W47-7"},
    "user_name": {"now", "db1-", "db1..org"},
    "region": {"0", "007", "2130706433", "now", "0x50", "1e3", "65536", "99999999999999999999"},
    "port": set(),
    "host": {"now", "1_000", "1e3", "2026-W47-7", "/etc/passwd", "/srv/backups-evil"},  # folders, for a socket
    "timestamp": set(),
    "bucket_url": set(),
    "local_path": set(),
    "repository_url": set(),
    "tablespace_mapping": set(),
}  # fmt: skip
MAY_PASS["repository_name"] = MAY_PASS["instance_name"]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in GOOD for value in GOOD[name]])
def test_what_is_expected_passes(name: str, value: Any) -> None:
    VALIDATORS[name](value)


@pytest.mark.parametrize("name", VALIDATORS)
def test_every_injection_is_refused_with_a_sentence(name: str) -> None:
    passed = set()
    for value in INJECTIONS:
        try:
            VALIDATORS[name](value)
        except InvalidInput as refusal:
            assert_is_a_sentence(refusal.message)
        else:
            passed.add(value)
    assert passed <= MAY_PASS[name] | set(GOOD[name]), sorted(passed - MAY_PASS[name])


def assert_is_a_sentence(message: str) -> None:
    assert message.startswith("Expected ") and message.endswith(".")
    assert message.isprintable() and len(message) < 400
    assert "geheim" not in message


@pytest.mark.parametrize("name", VALIDATORS)
@pytest.mark.parametrize("value", [None, 1.5, b"bytes", ["x"], {}, True, object()])
def test_what_is_not_text_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        VALIDATORS[name](value)


@pytest.mark.parametrize("name", VALIDATORS)
@given(value=st.text() | st.text(alphabet="az09AZ_-./:=@s3 \n\0'\"", max_size=30))
def test_any_text_passes_or_is_refused_but_never_crashes(name: str, value: str) -> None:
    try:
        cleaned = VALIDATORS[name](value)
    except InvalidInput as refusal:
        assert_is_a_sentence(refusal.message)
    else:
        assert "\n" not in str(cleaned) and "\0" not in str(cleaned)


PATTERNS = {
    "backup_id": r"[a-zA-Z0-9_-]{1,128}",
    "database_name": r"[a-zA-Z_][a-zA-Z0-9_]{0,62}",
    "bucket_url": r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[a-zA-Z0-9._-]+)*/?",
    "timestamp": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})",
}


@pytest.mark.parametrize("name", PATTERNS)
@given(data=st.data())
def test_what_passes_matches_the_documented_pattern(name: str, data: st.DataObject) -> None:
    pattern = re.compile(PATTERNS[name], re.ASCII)
    value = data.draw(st.from_regex(pattern) | st.from_regex(pattern, fullmatch=True))
    try:
        VALIDATORS[name](value)
    except InvalidInput:
        return
    assert pattern.fullmatch(value)


@given(st.integers())
def test_ports(number: int) -> None:
    if 1 <= number <= 65535:
        assert v.port(number) == v.port(str(number)) == number
    else:
        with pytest.raises(InvalidInput):
            v.port(number)


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2050, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_passes_exactly_when_it_is_not_in_the_future(naive: datetime, minutes: int) -> None:
    local = naive.replace(microsecond=0)
    sign, offset = "-" if minutes < 0 else "+", abs(minutes)
    instant = (local - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    text = f"{local.isoformat()}{sign}{offset // 60:02}:{offset % 60:02}"
    if instant <= NOW and offset // 60 <= 14:
        assert timestamp(text) == instant and timestamp(text).tzinfo is UTC
    elif instant > NOW:
        with pytest.raises(InvalidInput):
            timestamp(text)


@pytest.mark.parametrize(
    "word", ["select", "Select", "TABLE", "user", "all", "template0", "TEMPLATE1", "current_user"]
)
def test_reserved_words_are_no_database_names(word: str) -> None:
    with pytest.raises(InvalidInput):
        v.database_name(word)


def test_a_host_must_resolve_or_be_in_the_inventory() -> None:
    asked: list[str] = []

    def resolve(name: str) -> bool:
        asked.append(name)
        return name == "known"

    assert v.host("known", resolve=resolve) == "known"
    with pytest.raises(InvalidInput, match="resolves or is in the inventory"):
        v.host("unknown", resolve=resolve)
    assert v.host("unknown", inventory={"unknown"}, resolve=resolve) == "unknown"
    with pytest.raises(InvalidInput):
        v.host("x; id", inventory={"x; id"}, resolve=resolve)
    v.host("10.0.0.1", resolve=resolve)
    assert asked == ["known", "unknown"], "what is no host name never reaches the resolver"


def test_the_machines_resolver_knows_localhost_and_not_everything() -> None:
    assert v.resolves("localhost")
    assert not v.resolves("no-such-host.invalid")
    assert not v.resolves("a" * 300)


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("s3://backups", True),
        ("s3://backups/", True),
        ("s3://backups/a/b", True),
        ("s3://backups-evil", False),
        ("s3://team/databases", True),
        ("s3://team/databases/x", True),
        ("s3://team/databases2", False),
        ("s3://team", False),
    ],
)
def test_bucket_prefixes_open_whole_segments_only(value: str, passes: bool) -> None:
    if passes:
        assert v.bucket_url(value, allowed=BUCKETS) == value.rstrip("/")
    else:
        with pytest.raises(InvalidInput, match="below s3://backups or s3://team/databases/"):
            v.bucket_url(value, allowed=BUCKETS)


def test_a_link_out_of_an_allowed_folder_is_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "allowed", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "way-out").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    (inside / "home").symlink_to(inside / "real")
    allowed = [str(inside)]
    assert v.local_path(f"{inside}/home/new", allowed=allowed) == inside / "real" / "new"
    for name in ("way-out", "way-out/deeper", "way-out/../x"):
        with pytest.raises(InvalidInput):
            v.local_path(f"{inside}/{name}", allowed=allowed)


def test_an_allowed_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "srv").symlink_to(tmp_path / "disk")
    found = v.local_path(f"{tmp_path}/srv/nas", allowed=[str(tmp_path / "srv")])
    assert found == tmp_path / "disk" / "nas"


def test_without_an_allowed_prefix_nothing_is_allowed() -> None:
    with pytest.raises(InvalidInput, match="none is configured"):
        v.local_path("/srv/x", allowed=[])
    assert v.local_path("/srv/x", allowed=None) == Path("/srv/x")


@pytest.mark.parametrize("value", ["s3://AKIAKEY:geheim@bucket/x", "https://u:geheim@x", "postgres://u:geheim@x/y",
                                   "s3://bucket/x?secret=geheim"])  # fmt: skip
def test_a_refused_address_never_repeats_its_credentials(value: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        repository_url(value)
    assert "geheim" not in refusal.value.message and "AKIAKEY" not in refusal.value.message


@given(st.text())
def test_a_shown_value_is_short_ascii_and_printable(value: str) -> None:
    text = v.shown(value)
    assert text.rstrip("…").isascii() and text.isprintable() and len(text) <= 61


@pytest.mark.parametrize("zone", ["+15:00", "-23:59", "+99:99", "+02:60"])
def test_a_zone_that_does_not_exist_is_named_as_what_is_wrong(zone: str) -> None:
    with pytest.raises(InvalidInput, match="Expected a zone that exists"):
        timestamp(f"2026-11-20T10:00:00{zone}")


def test_tablespace_mapping_is_taken_apart() -> None:
    assert v.tablespace_mapping("fast=/srv/restore/a=b") == ("fast", Path("/srv/restore/a=b"))
    with pytest.raises(InvalidInput):
        v.tablespace_mapping("fast=/etc", allowed=["/srv"])
