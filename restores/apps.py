"""Bringing backups back: folders and clones."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RestoresConfig(AppConfig):
    name = "restores"
    verbose_name = "Restores"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from restores.services.schedules import ensure_schedules

        post_migrate.connect(ensure_schedules, sender=self, dispatch_uid="restores.ensure_schedules")
