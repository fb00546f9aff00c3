"""Where backups lie, and the keys that open them (never the key material)."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from catalog.states import KeyKind, RepositoryState


class Repository(models.Model):
    name = models.CharField(max_length=63, unique=True)
    url = models.CharField("URL", max_length=1024, unique=True)
    region = models.CharField(max_length=63, blank=True)
    repository_id = models.CharField(
        "repository ID", max_length=64, unique=True, help_text="From its own repository.json"
    )
    state = models.CharField(
        max_length=16, choices=RepositoryState.choices, default=RepositoryState.NEW, db_index=True
    )
    checked_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True, help_text="What the last check found wrong")
    free_bytes = models.BigIntegerField(null=True, blank=True, help_text="Empty where the place does not say")
    backup_count = models.PositiveIntegerField(default=0)
    stored_bytes = models.PositiveBigIntegerField(default=0, help_text="Kept with every backup stored")
    max_concurrent = models.PositiveSmallIntegerField(
        "at once",
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
        help_text="Scheduled backups and tests of all its instances at the same time",
    )
    bandwidth_limit = models.PositiveBigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(64 * 1024)],
        help_text="Bytes per second of all jobs at once, shared evenly; empty: as fast as it goes",
    )  # fmt: skip
    price_per_gb_month = models.DecimalField(
        max_digits=10, decimal_places=5, null=True, blank=True, validators=[MinValueValidator(0)],
        help_text="What a gigabyte costs here per month, for forecasts",
    )  # fmt: skip
    price_currency = models.CharField(
        "currency", max_length=3, default="USD", validators=[RegexValidator(r"\A[A-Z]{3}\Z")]
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "repositories"
        permissions = [
            ("check_repository", "Can check a repository"),
            ("expire_repository", "Can remove what the rules of retention no longer keep"),
        ]

    def __str__(self) -> str:
        return self.name


class EncryptionKey(models.Model):
    """A key-encryption key by name and place; what it wraps lies in the repositories."""

    key_id = models.CharField("key ID", max_length=128, unique=True)
    kind = models.CharField(max_length=16, choices=KeyKind.choices, default=KeyKind.LOCAL)
    location = models.CharField(max_length=1024, help_text="Key file, ARN or path; never the key itself")
    is_current = models.BooleanField(default=False, help_text="New data keys are wrapped by it")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-is_current", "-created_at"]
        permissions = [("rotate_encryptionkey", "Can rotate the key-encryption key")]
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=Q(is_current=True), name="catalog_one_current_key"
            )
        ]

    def __str__(self) -> str:
        return self.key_id
