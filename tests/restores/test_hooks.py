"""Whoever may change an instance does not choose what program the worker runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from catalog import roles
from catalog.models import Backup, Instance
from dataprotect.core import clock
from dataprotect.ops.models import AuditEvent
from restores.models import RestoreRequest, RestoreSettings
from restores.services.restore_account import restore_settings_set
from restores.services.system_request import system_preflight, system_request
from tests.restores.signing import Person, refused

pytestmark = pytest.mark.django_db
STOP = ["systemctl", "stop", "postgresql@15-main"]


@pytest.fixture
def allowed(settings: Any) -> None:
    settings.RESTORE_HOOKS = [["systemctl", "stop"], ["systemctl", "start"]]


def test_a_hook_begins_as_the_operator_allowed(make_instance: Any, person: Person, allowed: None) -> None:
    instance, lead = make_instance("orders-db"), person("lead", roles.DBA_LEAD)

    def enter(**hooks: list[str]) -> RestoreSettings:
        return restore_settings_set(actor=lead, instance=instance, fresh_at=clock.now(), **hooks)

    assert enter(stop_command=STOP).stop_command == STOP
    event = AuditEvent.objects.filter(verb="restore.settings_changed").latest("sequence")
    assert event.data["hooks"] == {"stop_command": STOP}
    for words in (
        ["sh", "-c", "id"],
        ["systemctl"],
        ["systemctl", "kill", "x"],
        ["/bin/systemctl", "stop"],
    ):
        refused("input.start_command", lambda words=words: enter(start_command=words))  # type: ignore[misc]
    assert enter(stop_command=[]).stop_command == []


def test_nothing_is_allowed_that_nobody_listed(make_instance: Any) -> None:
    refused(
        "input.stop_command",
        lambda: restore_settings_set(actor="system:root", instance=make_instance("a"), stop_command=STOP),
    )


def test_another_hook_takes_a_fresh_proof_and_a_limit_does_not(
    make_instance: Any, person: Person, allowed: None
) -> None:
    instance, lead = make_instance("orders-db"), person("lead", roles.DBA_LEAD)
    restore_settings_set(actor=lead, instance=instance, jobs=4, stop_command=[])
    refused("access.step_up", lambda: restore_settings_set(actor=lead, instance=instance, stop_command=STOP))
    restore_settings_set(actor=lead, instance=instance, stop_command=STOP, fresh_at=clock.now())
    restore_settings_set(actor=lead, instance=instance, stop_command=STOP, jobs=2)


def test_one_that_is_not_allowed_any_more_is_not_run(
    orders: Instance, allowed: None, settings: Any, tmp_path: Path
) -> None:
    orders.data_directory = str(tmp_path)
    orders.save()
    restore_settings_set(actor="system:root", instance=orders, stop_command=STOP)
    request = RestoreRequest(
        instance=orders, target_instance=orders, backup=Backup.objects.get(), restore_id="r0", scope="system"
    )
    assert list(system_request(request).target.hooks.stop) == STOP
    settings.RESTORE_HOOKS = []
    refused("restore.hook_not_allowed", lambda: system_request(request))
    [_, check] = system_preflight(request)
    assert check.passed is False and "RESTORE_HOOKS allows none" in check.found
