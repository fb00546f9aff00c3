"""The catalog: what is protected, where backups lie, and what was proved about them."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import m2m_changed, post_migrate


def _ensure_schedules(**kwargs: Any) -> None:
    """Imported only when it is needed: every command starts with this module, few of them need the engine."""
    from catalog.services import expiry_schedules, schedules

    expiry_schedules.ensure_schedules(**kwargs)
    schedules.ensure_schedules(**kwargs)


def _record_roles(**kwargs: Any) -> None:
    from catalog.services.role_record import membership_changed

    membership_changed(**kwargs)


class CatalogConfig(AppConfig):
    name = "catalog"
    verbose_name = "Catalog"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.auth.models import User

        m2m_changed.connect(
            _record_roles, sender=User.groups.through, dispatch_uid="catalog.record_roles", weak=False
        )
        post_migrate.connect(_ensure_schedules, sender=self, dispatch_uid="catalog.ensure_schedules")
