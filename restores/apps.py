"""Bringing backups back: folders and clones."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


def _ensure_schedules(**kwargs: Any) -> None:
    """Imported only when it is needed: every command starts with this module, few of them need the engine."""
    from restores.services.schedules import ensure_schedules

    ensure_schedules(**kwargs)


class RestoresConfig(AppConfig):
    name = "restores"
    verbose_name = "Restores"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from restores import approval_triggers

        pre_migrate.connect(approval_triggers.drop, sender=self, dispatch_uid="restores.drop_triggers")
        post_migrate.connect(approval_triggers.create, sender=self, dispatch_uid="restores.create_triggers")
        post_migrate.connect(_ensure_schedules, sender=self, dispatch_uid="restores.ensure_schedules")
