"""The address of a channel goes in and never comes out: not in rows, logs, errors, audit or files."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from dataprotect.core.errors import InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.ops import channels, secrets
from dataprotect.ops.models import AlertChannel, AlertDelivery, AuditEvent
from dataprotect.ops.services import alert_raise
from dataprotect.ops.services.alert_channel import channel_add, channel_remove, channel_update
from dataprotect.ops.services.alert_deliver import deliveries_send
from tests.ops.alerts.conftest import AddChannel
from tests.ops.alerts.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
PLANTED = ("planted-password-5309", "planted-token-86753")


def everything_stored() -> str:
    """Every text of every table, as the database itself would dump it."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        rows = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            rows.append(str(cursor.fetchall()))
    return "\n".join(rows)


def files_with(text: str) -> list[str]:
    """Below the home, but for the keys.

    By another process: were this one to close a file of its SQLite database, it would lose its locks on it,
    and the next process that leaves would take the log of writes away from under it.
    """
    words = ["grep", "-rlF", "--exclude-dir=keys", "--", text, settings.DATAPROTECT_HOME]
    found = subprocess.run(words, capture_output=True, text=True)
    assert found.returncode < 2, found.stderr
    return found.stdout.splitlines()


def test_nothing_holds_the_address(receiver: Receiver, add_channel: AddChannel, tmp_path: Path) -> None:
    root, lowest = logging.getLogger(), tmp_path / "all.log"
    handler = logging.FileHandler(lowest)
    old = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        channel = add_channel()
        alert_raise(rule="rpo_breached", severity="critical", title="orders would lose a day.")
        receiver.answers = [500]
        deliveries_send()
        receiver.stop()
        AlertDelivery.objects.update(due_at=channel.created_at)
        deliveries_send()
    finally:
        root.removeHandler(handler)
        root.setLevel(old)
        for name in ("apprise", "urllib3", "requests"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert AlertDelivery.objects.get().attempts == 2
    spoken = lowest.read_text()
    for secret in (*PLANTED, f":{receiver.port}"):
        assert secret not in spoken
        assert secret not in everything_stored()
    for secret in PLANTED:
        assert files_with(secret) == []


def test_the_sealed_address_opens_and_moves_to_a_new_key(receiver: Receiver, add_channel: AddChannel) -> None:
    channel = add_channel()
    before = channel.url_sealed
    call_command("rotate_secrets", verbosity=0)
    channel.refresh_from_db()
    assert channel.url_sealed != before
    opened = secrets.open_field(channel, "url_sealed")
    assert opened is not None and opened.reveal() == receiver.url


@pytest.mark.parametrize(
    "address",
    ["", "   ", "nonsense", "planted-token-86753", "slack://planted-token-86753", "syslog://", "json://\0"],
)
def test_what_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        channel_add(actor="system:test", name="on-call", url=Secret(address))
    assert refused.value.field == "url"
    assert "planted" not in refused.value.message
    assert not AlertChannel.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "mailtos://ops:planted-pass@example.org", "jsons://alerts.example.org/hook",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
        "workflows://prod.example.org:443/643e69f83c8944438d68119179a10a64/ek6Rsmtfm_vW2vX1HwA2DC",
        "pagerduty://plantedintegrationkey00000000000@plantedapikey000000/source/component",
    ],
)  # fmt: skip
def test_the_places_that_the_documents_name_are_taken(address: str) -> None:
    """Mail, web hook, Slack, Teams, PagerDuty: what Apprise leaves out in a new version is noticed."""
    channel = channel_add(actor="system:test", name="on-call", url=Secret(address))
    assert channel.service == address.partition(":")[0]
    assert "planted" not in repr(AuditEvent.objects.get().data)


def test_a_changed_name_keeps_the_address(receiver: Receiver, add_channel: AddChannel) -> None:
    channel = add_channel()
    channel_update(
        actor="system:test", channel=channel, name="night", minimum_severity="info", rules=["a"], enabled=True
    )
    channel.refresh_from_db()
    assert secrets.open_field(channel, "url_sealed") == Secret(receiver.url)
    channel_remove(actor="system:test", channel=channel)
    verbs = AuditEvent.objects.order_by("sequence").values_list("verb", flat=True)
    assert list(verbs) == ["alert_channel.added", "alert_channel.changed", "alert_channel.removed"]


def test_a_second_channel_of_one_name_is_refused_in_words(add_channel: AddChannel) -> None:
    add_channel()
    with pytest.raises(InvalidInput) as refused:
        add_channel()
    assert refused.value.field == "name"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """The token would go to wherever the answer points."""
    from dataprotect.ops.alert_states import Severity

    receiver.answers = [307]
    with pytest.raises(Exception, match="307"):
        channels.send(Secret(receiver.url), title="t", body="b", severity=Severity.INFO)
