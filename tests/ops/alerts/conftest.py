"""A receiver on loopback and a channel that points to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dataprotect.core.secrets import Secret
from dataprotect.ops.models import AlertChannel
from dataprotect.ops.services import alert_message
from dataprotect.ops.services.alert_channel import channel_add
from tests.ops.alerts.receiver import Receiver

AddChannel = Callable[..., AlertChannel]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def add_channel(receiver: Receiver) -> AddChannel:
    def add(name: str = "on-call", url: str = "", **more: object) -> AlertChannel:
        return channel_add(actor="system:test", name=name, url=Secret(url or receiver.url), **more)

    return add


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tests send when they say so; what would wake a worker is counted."""
    woken: list[str] = []
    monkeypatch.setattr(alert_message, "async_task", lambda name, **more: woken.append(name))
    return woken
