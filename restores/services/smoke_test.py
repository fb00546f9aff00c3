"""Smoke tests: an application's own questions, kept with the instance and asked after every restore."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from catalog.models import Instance
from catalog.services.access import Actor, require
from catalog.services.cleaning import save_clean
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.services.audit import audit_record
from restores.models import SmokeTest
from restores.services.http_address import host_and_port
from restores.services.restore_account import restore_settings
from restores.states import SmokeTestKind

_FIELDS = frozenset({"name", "kind", "database", "question", "expected", "timeout_seconds", "enabled"})
_READING = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW")


@transaction.atomic
def smoke_test_add(*, actor: Actor, instance: Instance, **fields: Any) -> SmokeTest:
    """Fields as in the model. Raises `access.denied`, InvalidInput."""
    require(actor=actor, permission="catalog.change_instance", instance=instance)
    return _save(actor, SmokeTest(instance=instance), "added", fields)


@transaction.atomic
def smoke_test_change(*, actor: Actor, test: SmokeTest, **fields: Any) -> SmokeTest:
    """Change what is named. Raises `access.denied`, InvalidInput."""
    require(actor=actor, permission="catalog.change_instance", instance=test.instance)
    return _save(actor, test, "changed", fields)


@transaction.atomic
def smoke_test_remove(*, actor: Actor, test: SmokeTest) -> None:
    """Raises `access.denied`."""
    require(actor=actor, permission="catalog.change_instance", instance=test.instance)
    instance, name = test.instance, test.name
    test.delete()
    audit_record(actor=actor, verb="smoke_test.removed", subject=instance.subject, data={"name": name})


def _save(actor: Actor, test: SmokeTest, verb: str, fields: dict[str, Any]) -> SmokeTest:
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise InvalidInput(unknown[0], f"Expected one of {', '.join(sorted(_FIELDS))}.")
    for name, value in fields.items():
        setattr(test, name, value)
    _must_be_askable(test)
    save_clean(test)
    audit_record(
        actor=actor, verb=f"smoke_test.{verb}", subject=test.instance.subject,
        data={"name": test.name, "kind": test.kind, "changed": sorted(fields)},
    )  # fmt: skip
    return test


def _must_be_askable(test: SmokeTest) -> None:
    """What the engine would refuse to ask is refused here, before anybody counts on it."""
    if test.kind == SmokeTestKind.SQL:
        if (test.question.split(None, 1) or [""])[0].upper() not in _READING:
            raise InvalidInput("question", f"Expected one statement that begins with {', '.join(_READING)}.")
    elif test.kind == SmokeTestKind.HTTP:
        place = host_and_port(test.question, "question")
        if place not in allowed_hosts(test.instance):
            raise InvalidInput(
                "question",
                f"{place} is not where smoke tests of {test.instance.name} may go: add it to the addresses "
                "in the restore settings first.",
            )


def allowed_hosts(instance: Instance) -> frozenset[str]:
    """`host:port` of every address that smoke tests over HTTP may ask."""
    prefixes = restore_settings(instance).http_prefixes
    return frozenset(host_and_port(prefix, "http_prefixes") for prefix in prefixes)
