"""What restoring onto an instance is set up with: its account, hooks and limits, and its smoke tests."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User

from catalog.models import Instance
from catalog.selectors import instance_get, may
from catalog.selectors.visible import Viewer, instances_visible, not_found, sees_every_instance
from restores.models import RestoreSettings, SmokeTest


@dataclass(frozen=True, slots=True)
class Restoring:
    """`settings` are the defaults, unsaved, where nobody chose any."""

    instance: Instance
    settings: RestoreSettings
    tests: list[SmokeTest]
    may_change: bool

    @property
    def has_password(self) -> bool:
        return bool(self.settings.password_sealed)


def restoring(*, user: User, name: str) -> Restoring:
    """Raises ForeseenError `instance.not_found`."""
    instance = instance_get(user=user, name=name)
    found = RestoreSettings.objects.filter(instance=instance).first()
    return Restoring(
        instance=instance,
        settings=found or RestoreSettings(instance=instance),
        tests=list(instance.smoke_tests.order_by("name")),
        may_change=may(user=user, permission="catalog.change_instance", instance=instance),
    )


def smoke_test_get(*, user: Viewer, key: int) -> SmokeTest:
    """Raises ForeseenError `smoke_test.not_found`."""
    rows = SmokeTest.objects.select_related("instance")
    if not sees_every_instance(user=user):
        rows = rows.filter(instance__in=instances_visible(user=user).order_by().values("pk"))
    found = rows.filter(pk=key).first()
    if found is None:
        raise not_found("smoke_test", str(key))
    return found
