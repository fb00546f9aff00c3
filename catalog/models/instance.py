"""A protected server, how to reach it, and the databases inside it."""

from __future__ import annotations

import re
import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from catalog.states import Engine, Environment, TlsMode


def new_identifier(name: str) -> str:
    """`orders-7f3a2c9d`: the folder name in repositories. Never reused, so a new instance of an old
    name can never write among the old one's backups."""
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', name)[:80]}-{secrets.token_hex(4)}"


def instance_key(subject: str) -> int:
    """The key in `Instance.subject`; 0, which no instance has, of anything else."""
    kind, _, number = subject.partition(":")
    return int(number) if kind == "instance" and number.isdigit() else 0


class Instance(models.Model):
    identifier = models.CharField(
        max_length=128, unique=True, editable=False, help_text="Its folder in repositories; never changes"
    )
    name = models.CharField(max_length=63, unique=True)
    engine = models.CharField(max_length=16, choices=Engine.choices, default=Engine.POSTGRESQL)
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField(
        default=5432, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(max_length=63)
    database = models.CharField(
        max_length=63, default="postgres", help_text="Where to connect first; every database is backed up"
    )
    data_directory = models.CharField(
        max_length=1024, blank=True, help_text="When a worker can read it, backups are read from the files"
    )
    environment = models.CharField(max_length=16, choices=Environment.choices, default=Environment.PRODUCTION)
    tier = models.ForeignKey("catalog.Tier", on_delete=models.PROTECT, related_name="instances")
    region = models.CharField(max_length=63, blank=True)
    repository = models.ForeignKey("catalog.Repository", on_delete=models.PROTECT, related_name="instances")
    policy = models.ForeignKey(
        "catalog.Policy", null=True, blank=True, on_delete=models.PROTECT, related_name="instances",
        help_text="Empty: nothing runs by itself, and everything is kept",
    )  # fmt: skip
    policy_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="No run of the policy is due before this"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    tls_mode = models.CharField("TLS mode", max_length=16, choices=TlsMode.choices, default=TlsMode.PREFER)
    tls_ca_file = models.CharField("CA file", max_length=1024, blank=True)
    tls_certificate_file = models.CharField("client certificate file", max_length=1024, blank=True)
    tls_key_file = models.CharField("client key file", max_length=1024, blank=True)

    password_sealed = models.TextField(
        blank=True, editable=False, help_text="AES-256-GCM, bound to this row; write-only"
    )

    system_identifier = models.CharField(max_length=32, blank=True)
    server_version = models.CharField(max_length=120, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    data_checksums = models.BooleanField(null=True, blank=True)
    in_recovery = models.BooleanField(null=True, blank=True)
    connection_encrypted = models.BooleanField(
        null=True, blank=True, help_text="At the last probe; empty when never probed"
    )
    connection_tls_protocol = models.CharField(max_length=32, blank=True)
    clock_skew_seconds = models.FloatField(null=True, blank=True)
    data_directory_readable = models.BooleanField(null=True, blank=True)
    probed_at = models.DateTimeField(null=True, blank=True)
    probe_warnings = models.JSONField(default=list, blank=True)
    probe_problem = models.CharField(max_length=500, blank=True, help_text="Why the last probe failed")

    last_good_backup = models.ForeignKey(
        "catalog.Backup", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    last_good_at = models.DateTimeField(
        null=True, blank=True, editable=False, db_index=True, help_text="Nothing after this can be restored"
    )
    last_restore_test = models.ForeignKey(
        "catalog.Verification", null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        editable=False,
    )  # fmt: skip
    rto_evidence = models.ForeignKey(
        "catalog.Verification", null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        editable=False, help_text="The latest restore test that passed: its measured time",
    )  # fmt: skip

    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("backup_instance", "Can back up an instance"),
            ("verify_instance", "Can verify the backups of an instance"),
            ("restore_instance", "Can restore from the backups of an instance"),
            ("grant_instance", "Can give others access to an instance"),
        ]
        indexes = [models.Index(fields=["environment", "name"])]

    def __str__(self) -> str:
        return self.name

    @property
    def has_password(self) -> bool:
        return bool(self.password_sealed)

    @property
    def exclusive_key(self) -> str:
        """One writer per instance: every job that writes to it carries this key."""
        return f"instance:{self.pk}"

    @property
    def restoring_key(self) -> str:
        """One restore or rollback at a time: their jobs carry this key."""
        return f"restore:{self.pk}"

    @property
    def subject(self) -> str:
        """How jobs and audit events name it."""
        return f"instance:{self.pk}"


class InstanceDatabase(models.Model):
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="databases")
    name = models.CharField(max_length=255)
    size_bytes = models.PositiveBigIntegerField(default=0)
    tables = models.PositiveIntegerField(null=True, blank=True, help_text="Empty when it could not be asked")
    safe_name = models.BooleanField(
        default=True, help_text="False: backed up and shown, but may not be typed anywhere"
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    is_present = models.BooleanField(default=True, help_text="Seen by the last probe")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "name"], name="catalog_database_once_per_instance")
        ]

    def __str__(self) -> str:
        return self.name
