"""How this installation is run, as somebody said at set-up or later."""

from __future__ import annotations

from django.db import models

from dataprotect.ops.operating_profile import OperatingProfile


class ProfileChoice(models.Model):
    """One answer; the newest stands, and the older ones say since when. See `selectors.operating_profile`."""

    profile = models.CharField(max_length=16, choices=[(item.value, item.value) for item in OperatingProfile])
    chosen_at = models.DateTimeField()
    chosen_by = models.CharField(max_length=150)

    class Meta:
        ordering = ["-chosen_at", "-pk"]
        default_permissions = ()
        permissions = [("choose_profile", "Can choose the operating profile")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(profile__in=[item.value for item in OperatingProfile]),
                name="profile_is_one_of_three",
            )
        ]

    def __str__(self) -> str:
        return self.profile
