"""Secrets at rest: bound to their row, under named keys, and nowhere in words."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataprotect.core.errors import ForeseenError
from dataprotect.core.secrets import Secret
from dataprotect.ops import home, masking, secrets
from dataprotect.ops.models import Worker
from tests.ops.conftest import ROOT, worker_environment

AAD = secrets.aad("catalog", "instance", "7", "password")


def test_what_is_sealed_opens_again() -> None:
    sealed = secrets.seal(Secret("swordfish-ünïcode"), AAD)
    assert "swordfish" not in sealed
    assert secrets.open_sealed(sealed, AAD) == Secret("swordfish-ünïcode")
    assert secrets.seal(Secret("swordfish"), AAD) != secrets.seal(Secret("swordfish"), AAD)


@pytest.mark.parametrize("other", [("8", "password"), ("7", "certificate")])
def test_another_row_or_field_is_refused(other: tuple[str, str]) -> None:
    sealed = secrets.seal(Secret("swordfish"), AAD)
    with pytest.raises(ForeseenError) as refusal:
        secrets.open_sealed(sealed, secrets.aad("catalog", "instance", *other))
    assert refusal.value.code == "secret.refused" and "swordfish" not in refusal.value.message


def test_every_changed_character_is_refused() -> None:
    sealed = secrets.seal(Secret("swordfish"), AAD)
    for place in range(len(sealed)):
        changed = sealed[:place] + ("B" if sealed[place] != "B" else "C") + sealed[place + 1 :]
        try:
            opened = secrets.open_sealed(changed, AAD)
        except ForeseenError:
            continue
        # The last character before padding may carry unused bits: then nothing was changed at all.
        assert opened == Secret("swordfish") and sealed[place + 1 :].strip("=") == ""


@given(st.lists(st.text(), min_size=2, max_size=4), st.lists(st.text(), min_size=2, max_size=4))
def test_the_associated_data_is_unambiguous(one: list[str], two: list[str]) -> None:
    def encodable(words: list[str]) -> bool:
        return all(sign < "\ud800" or sign > "\udfff" for word in words for sign in word)

    if encodable(one) and encodable(two):
        assert (secrets.aad(*one) == secrets.aad(*two)) == (one == two)


def test_after_a_rotation_old_and_new_open_and_resealing_moves_on() -> None:
    old = secrets.seal(Secret("swordfish"), AAD)
    new_id = secrets.rotate()
    assert secrets.needs_reseal(old)
    moved = secrets.reseal(old, AAD)
    assert moved.split(":")[1] == new_id and not secrets.needs_reseal(moved)
    assert secrets.open_sealed(old, AAD) == secrets.open_sealed(moved, AAD)


def test_the_field_of_a_row() -> None:
    row = Worker(name="host:1", host="h")
    row.cluster = secrets.seal_field(row, "cluster", Secret("swordfish"))
    assert secrets.open_field(row, "cluster") == Secret("swordfish")
    row.host = row.cluster
    with pytest.raises(ForeseenError):
        secrets.open_field(row, "host")
    assert secrets.open_field(Worker(name="x"), "cluster") is None


def test_the_ring_is_for_its_owner_only() -> None:
    secrets.seal(Secret("swordfish"), AAD)
    ring = home.keys() / "secrets.json"
    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    ring.chmod(0o644)
    try:
        with pytest.raises(ForeseenError, match="can be read by others"):
            secrets.seal(Secret("swordfish"), AAD)
    finally:
        ring.chmod(0o600)


def test_a_damaged_ring_is_one_sentence_and_stays_as_it_is(settings: object, tmp_path: Path) -> None:
    settings.DATAPROTECT_HOME = tmp_path  # type: ignore[attr-defined]
    (home.keys() / "secrets.json").write_text('{"current": 7')
    (home.keys() / "secrets.json").chmod(0o600)
    with pytest.raises(ForeseenError, match="is damaged"):
        secrets.seal(Secret("swordfish"), AAD)
    assert (home.keys() / "secrets.json").read_text() == '{"current": 7'


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_at_once_make_one_ring(tmp_path: Path) -> None:
    script = "import django; django.setup()\nfrom dataprotect.ops import secrets; secrets.mac('x', b'y')"
    environment = worker_environment(DATAPROTECT_HOME=str(tmp_path / "home"))
    children = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    ring = json.loads((tmp_path / "home/keys/secrets.json").read_text())
    assert len(ring["keys"]) == 1
    assert [place.name for place in (tmp_path / "home/keys").iterdir()] == ["secrets.json"]


def test_an_opened_secret_is_masked_in_every_log_line(caplog: pytest.LogCaptureFixture) -> None:
    secrets.open_sealed(secrets.seal(Secret("herring-9911"), AAD), AAD)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "dsn %s", ("host=a herring-9911",), None)
    try:
        raise RuntimeError("herring-9911")
    except RuntimeError:
        record.exc_info = sys.exc_info()
    for formatter in (masking.MaskingFormatter("%(message)s"), masking.SentenceFormatter()):
        line = formatter.format(record)
        assert "herring-9911" not in line and masking.MASK in line


@pytest.mark.parametrize(
    "line",
    [
        "postgresql://app:geheim@db1:5432/orders",
        "redis://:geheim@127.0.0.1/0",
        "host=db1 password=geheim user=app",
        "host=db1 password='geheim word' user=app",
        'PASSWORD: "geheim"',
        "api_key=geheim, next",
        '{"password": "geheim"}',
        "{'user': 'a', 'password': 'geheim'}",
    ],
)
def test_what_looks_like_a_credential_is_masked_unasked(line: str) -> None:
    masked = masking.mask(line)
    assert "geheim" not in masked and masking.MASK in masked


@pytest.mark.parametrize(
    "line", ["3 passwords were checked", "postgresql://app@db1/orders", "12:30:01 token"]
)
def test_ordinary_words_are_left_alone(line: str) -> None:
    assert masking.mask(line) == line


def test_what_ends_in_sealed_is_moved_to_the_new_key(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    from dataprotect.ops.models import AuditEvent
    from dataprotect.ops.services import sealed_fields

    row = Worker.objects.create(name="host:1", host="h", cluster="", pid=1, version="0")
    sealed = secrets.seal_field(row, "host", Secret("herring"))
    Worker.objects.filter(pk=row.pk).update(host=sealed)
    monkeypatch.setattr(sealed_fields, "sealed_fields", lambda: [(Worker, "host")])
    key_id, moved = sealed_fields.secrets_rotate(actor="anna")
    row.refresh_from_db()
    assert moved == 1 and row.host != sealed and row.host.split(":")[1] == key_id
    assert secrets.open_field(row, "host") == Secret("herring")
    assert AuditEvent.objects.get().data == {"key": key_id, "moved": 1}
    assert secrets.open_sealed(sealed, secrets.row_aad(row, "host")) == Secret("herring"), (
        "old copies open too"
    )


def test_the_fields_that_are_moved_are_found_by_their_name() -> None:
    from dataprotect.ops.services.sealed_fields import sealed_fields

    assert [name for _, name in sealed_fields()] and all(
        name.endswith("_sealed") for _, name in sealed_fields()
    )
