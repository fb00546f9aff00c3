"""Who was given a role, when and by whom. The membership gives the rights; this row lets it count."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from catalog.states import GrantDoor


class RoleGrant(models.Model):
    """One stretch of membership. `services.role_record` writes it whenever a membership comes or goes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="role_grants")
    role = models.ForeignKey("auth.Group", on_delete=models.CASCADE, related_name="grants")
    door = models.CharField(max_length=16, choices=GrantDoor.choices)
    granted_at = models.DateTimeField()
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="Only where a person who signed in gave it",
    )  # fmt: skip
    granted_by_name = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by_name = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-granted_at", "-pk"]
        verbose_name = "role grant"
        default_permissions = ("view",)
        permissions = [("grant_role", "Can give people roles and take them back")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"], condition=Q(ended_at=None), name="catalog_one_open_grant"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role_id} of {self.user_id}"
