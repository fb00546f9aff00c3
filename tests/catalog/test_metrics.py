"""What a scrape tells, who may scrape, and that it costs the same whatever is protected."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from catalog.exposition import exposition
from catalog.models import Instance, LogCollector, LogStretch, Repository
from catalog.selectors.metrics import numbers
from dataprotect import __version__
from dataprotect.core import clock
from dataprotect.ops.services import alert_raise
from tests.catalog.test_query_counts import fill

pytestmark = pytest.mark.django_db
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(body: str) -> Samples:
    """Through Prometheus' own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    found = [
        number
        for (sample, given), number in samples.items()
        if sample == f"dataprotect_{name}" and set(labels.items()) <= given
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


@pytest.fixture
def scrape() -> Callable[..., Any]:
    return lambda **headers: Client(REMOTE_ADDR="127.0.0.1").get("/metrics", **headers)


def test_it_parses_and_tells_what_is_there(
    repository: Repository, make_instance: Callable[..., Instance], scrape: Callable[..., Any]
) -> None:
    now = clock.now()
    orders = make_instance("orders", last_good_at=now - timedelta(hours=2))
    make_instance('odd "name"\\')
    LogCollector.objects.create(instance=orders, lag_seconds=3.5, lag_bytes=100, slot_retained_bytes=4096)
    LogStretch.objects.create(
        instance=orders, repository=repository, timeline=1, start_position="0/1", end_position="0/9",
        start_at=now - timedelta(hours=3), end_at=now - timedelta(seconds=10),
    )  # fmt: skip
    Repository.objects.update(stored_bytes=1000, free_bytes=5000)
    alert_raise(rule="rpo_breached", severity="critical", title="orders.")
    answer = scrape()
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    told = parsed(answer.content.decode())
    one = {"instance_name": "orders", "environment": "production", "tier": "standard"}
    assert value(told, "instance_last_good_backup_age_seconds", **one) == pytest.approx(7200, abs=30)
    assert value(told, "instance_rpo_exposure_seconds", **one) == pytest.approx(10, abs=30)
    assert value(told, "instance_rpo_target_seconds", **one) == orders.tier.rpo_seconds
    assert value(told, "instance_log_lag_seconds", **one) == 3.5
    assert value(told, "instance_log_lag_bytes", **one) == 100
    assert value(told, "instance_slot_retained_bytes", **one) == 4096
    assert value(told, "instance_rpo_target_seconds", instance_name='odd "name"\\') > 0
    assert value(told, "repository_stored_bytes", repository="local") == 1000
    assert value(told, "repository_free_bytes", repository="local") == 5000
    assert value(told, "alerts", severity="critical", state="open") == 1
    assert value(told, "alerts", severity="warning", state="open") == 0
    assert value(told, "jobs", state="running") == 0
    assert value(told, "queue_alive") == 0
    assert value(told, "build_info", version=__version__) == 1
    never = [name for name, labels in told if ("instance_name", 'odd "name"\\') in labels]
    assert "dataprotect_instance_last_good_backup_age_seconds" not in never, "unknown is left out, not zero"


def test_queries_are_constant_and_ten_thousand_instances_are_quick(repository: Repository) -> None:
    fill(repository, 0, 3, 2)
    with CaptureQueriesContext(connection) as few:
        exposition(numbers())
    fill(repository, 3, 10_000, 2)
    began = time.monotonic()
    with CaptureQueriesContext(connection) as many:
        body = exposition(numbers())
    assert len(few) == len(many) <= 16
    assert body.count(b"dataprotect_instance_rpo_target_seconds{") == 10_003
    assert time.monotonic() - began < 8


def test_from_elsewhere_it_takes_the_token(settings: Any, tmp_path: Path, scrape: Callable[..., Any]) -> None:
    token = tmp_path / "token"
    settings.METRICS_TOKEN_FILE = token
    far = {"REMOTE_ADDR": "203.0.113.9"}
    refused = scrape(**far)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    token.write_text("s3cret-token-of-this-site\n")
    token.chmod(0o600)
    right = {**far, "HTTP_AUTHORIZATION": "Bearer s3cret-token-of-this-site"}
    assert scrape(**right).status_code == 200
    for wrong in (
        "Bearer s3cret-token-of-this-sit",
        "Basic s3cret-token-of-this-site",
        "Bearer ",
        "Bearer \xe9",
    ):
        assert scrape(**{**far, "HTTP_AUTHORIZATION": wrong}).status_code == 401
    token.chmod(0o644)
    assert scrape(**right).status_code == 401, "a token others can read is none"
    token.chmod(0o600)
    token.write_text("short")
    assert scrape(**{**far, "HTTP_AUTHORIZATION": "Bearer short"}).status_code == 401
    token.write_text("")
    assert scrape(**{**far, "HTTP_AUTHORIZATION": "Bearer "}).status_code == 401


@pytest.mark.parametrize("sign", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_on_this_machine_does_not_make_everybody_near(scrape: Callable[..., Any], sign: str) -> None:
    header = "HTTP_" + sign.upper().replace("-", "_")
    assert scrape().status_code == 200
    assert scrape(**{header: "203.0.113.9"}).status_code == 401


def test_plain_http_is_not_redirected_for_monitors(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    client = Client(REMOTE_ADDR="127.0.0.1")
    assert [client.get(path).status_code for path in ("/livez", "/metrics")] == [200, 200]
    assert client.get("/readyz").status_code in (200, 503)
    assert client.get("/login/").status_code == 301


def test_only_reading(scrape: Callable[..., Any]) -> None:
    client = Client(REMOTE_ADDR="127.0.0.1")
    for path in ("/metrics", "/livez", "/readyz"):
        assert client.post(path).status_code == 405
