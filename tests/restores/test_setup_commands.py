"""Restores are set up by command as they are on their page: through the same services."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from catalog.models import Instance
from dataprotect.core.errors import InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.ops import secrets
from dataprotect.ops.models import AuditEvent
from restores.models import RestoreSettings, SmokeTest

pytestmark = pytest.mark.django_db


def run(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return answer


def test_settings_are_said_and_changed(
    make_instance: Callable[..., Instance], tmp_path: Path, settings: Any
) -> None:
    settings.RESTORE_HOOKS = [["/usr/bin/pg_ctlcluster"]]
    make_instance("orders-db")
    assert run("restore_settings", "orders-db")["watch_seconds"] == 300
    assert not RestoreSettings.objects.exists(), "asking changes nothing"
    place = tmp_path / "password"
    place.write_text("planted secret\n")
    place.chmod(0o600)
    hook = '["/usr/bin/pg_ctlcluster", "17", "main", "stop"]'
    answer = run(
        "restore_settings", "orders-db", "--user", "restorer", "--password-file", str(place),
        "--watch-seconds", "60", "--http-prefix", "https://shop.example/", "--stop-command", hook,
    )  # fmt: skip
    row = RestoreSettings.objects.get()
    assert (row.user, row.watch_seconds, row.stop_command) == ("restorer", 60, json.loads(hook))
    assert answer["has_password"] and "planted" not in json.dumps(answer)
    assert secrets.open_field(row, "password_sealed") == Secret("planted secret")
    for name, value in (
        ("--watch-seconds", "9000"),
        ("--stop-command", '["/bin/rm"]'),
        ("--stop-command", "rm -rf /"),
        ("--http-prefix", "ftp://shop.example/"),
    ):
        with pytest.raises(InvalidInput):
            run("restore_settings", "orders-db", name, value)
    row.refresh_from_db()
    assert (row.watch_seconds, row.stop_command) == (60, json.loads(hook))
    assert AuditEvent.objects.filter(verb="restore.settings_changed").count() == 1


def test_a_smoke_test_is_kept_or_refused(make_instance: Callable[..., Instance]) -> None:
    make_instance("orders-db")
    words = ["smoke_test_add", "orders-db", "rows", "SELECT count(*) > 0 FROM orders", "--expected", "true"]
    assert run(*words) == {"instance": "orders-db", "name": "rows", "kind": "sql"}
    row = SmokeTest.objects.get()
    assert (row.question, row.expected, row.timeout_seconds) == (words[3], "true", 10)
    with pytest.raises(InvalidInput, match="one statement that begins with"):
        run("smoke_test_add", "orders-db", "gone", "DELETE FROM orders")
    with pytest.raises(InvalidInput, match="restore settings"):
        run("smoke_test_add", "orders-db", "page", "http://169.254.169.254/", "--kind", "http")
    assert SmokeTest.objects.count() == 1
