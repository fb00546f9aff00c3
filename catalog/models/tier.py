"""How much loss and downtime is acceptable, by tier. The targets are editable."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models


class Tier(models.Model):
    name = models.CharField(max_length=40, unique=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order of importance, 1 first")
    rto_seconds = models.PositiveIntegerField(
        "RTO target", validators=[MinValueValidator(1)], help_text="Longest acceptable time to validated use"
    )
    rpo_seconds = models.PositiveIntegerField(
        "RPO target", validators=[MinValueValidator(1)], help_text="Longest acceptable loss of data, in time"
    )

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name
