"""How one person wants to see the dashboard."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Preference(models.Model):
    """No row means the defaults: appearance as the system, the installation's time zone."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preference"
    )
    theme = models.CharField(max_length=8, default="system", help_text="system, light or dark")
    time_zone = models.CharField(max_length=64, blank=True, help_text="Empty: the installation's zone")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"
