"""The app `ops`."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OpsConfig(AppConfig):
    name = "dataprotect.ops"
    label = "ops"
    verbose_name = "Operations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from dataprotect.ops import checks  # noqa: F401  registers the system checks
        from dataprotect.ops.services.schedules import ensure_schedules
        from dataprotect.ops.sign_in import events

        events.connect()

        post_migrate.connect(ensure_schedules, sender=self, dispatch_uid="ops.ensure_schedules")
