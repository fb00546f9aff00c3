"""The emergency stop: file or switch, latched, lifted only with a reason and the right."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction

from dataprotect.core.errors import EmergencyStop, ForeseenError
from dataprotect.ops import stop
from dataprotect.ops.models import AuditEvent, StopSwitch
from dataprotect.ops.services.stop import stop_latch, stop_lift, stop_raise

pytestmark = pytest.mark.django_db


def stop_file() -> Path:
    return Path(settings.EMERGENCY_STOP_FILE)


def test_nothing_stops_at_first() -> None:
    stop.refuse_while_stopped()


def test_the_file_stops_and_its_words_are_the_reason() -> None:
    stop_file().write_bytes(b"wrong\ntarget \xff" + b"x" * 5000)
    with pytest.raises(EmergencyStop, match="wrong target") as stopped:
        stop.refuse_while_stopped()
    assert len(stopped.value.message) < 500


def test_an_unreadable_stop_file_stops_as_well() -> None:
    stop_file().mkdir()
    try:
        assert stop.stop_reason()
    finally:
        stop_file().rmdir()


def test_removing_the_file_does_not_lift() -> None:
    stop_file().touch()
    stop_latch()
    stop_latch()
    stop_file().unlink()
    assert stop.stop_reason()
    assert StopSwitch.objects.count() == 1


def test_lifting_takes_the_file_gone_a_root_cause_and_the_right() -> None:
    stop_raise(actor="anna", reason="wrong target")
    stop_file().touch()
    with pytest.raises(ForeseenError, match="is there"):
        stop_lift(actor="command:root", root_cause="typo")
    stop_file().unlink()
    with pytest.raises(ForeseenError, match="root cause"):
        stop_lift(actor="command:root", root_cause="  ")
    user = User.objects.create_user("dba")
    with pytest.raises(ForeseenError, match="DBA Lead"):
        stop_lift(actor=user, root_cause="typo")
    user.user_permissions.add(Permission.objects.get(codename="lift_stop", content_type__model="stopswitch"))
    stop_lift(actor=User.objects.get(pk=user.pk), root_cause="typo in the host name")
    assert stop.stop_reason() is None
    events = list(AuditEvent.objects.order_by("sequence").values_list("verb", "actor"))
    assert events == [("stop.raised", "anna"), ("stop.lifted", "dba")]
    with pytest.raises(ForeseenError, match="not active"):
        stop_lift(actor="command:root", root_cause="again")


def test_the_database_allows_one_active_switch_and_no_lift_without_a_cause() -> None:
    switch = stop_raise(actor="anna", reason="wrong target")
    assert stop_raise(actor="bert", reason="me too").pk == switch.pk
    with pytest.raises(IntegrityError), transaction.atomic():
        StopSwitch.objects.create(raised_by="x", reason="y")
    with pytest.raises(IntegrityError), transaction.atomic():
        StopSwitch.objects.filter(pk=switch.pk).update(active=False)
