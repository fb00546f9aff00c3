import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("ops", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Repository",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=63, unique=True)),
                ("url", models.CharField(max_length=1024, unique=True, verbose_name="URL")),
                ("region", models.CharField(blank=True, max_length=63)),
                (
                    "repository_id",
                    models.CharField(
                        help_text="From its own repository.json",
                        max_length=64,
                        unique=True,
                        verbose_name="repository ID",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "Not checked yet"),
                            ("ready", "Ready"),
                            ("unreachable", "Unreachable"),
                        ],
                        db_index=True,
                        default="new",
                        max_length=16,
                    ),
                ),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "problem",
                    models.CharField(blank=True, help_text="What the last check found wrong", max_length=500),
                ),
                (
                    "free_bytes",
                    models.BigIntegerField(
                        blank=True, help_text="Empty where the place does not say", null=True
                    ),
                ),
                ("backup_count", models.PositiveIntegerField(default=0)),
                (
                    "stored_bytes",
                    models.PositiveBigIntegerField(default=0, help_text="Kept with every backup stored"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "repositories",
                "ordering": ["name"],
                "permissions": [("check_repository", "Can check a repository")],
            },
        ),
        migrations.CreateModel(
            name="Tier",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, unique=True)),
                (
                    "position",
                    models.PositiveSmallIntegerField(default=0, help_text="Order of importance, 1 first"),
                ),
                (
                    "rto_seconds",
                    models.PositiveIntegerField(
                        help_text="Longest acceptable time to validated use",
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="RTO target",
                    ),
                ),
                (
                    "rpo_seconds",
                    models.PositiveIntegerField(
                        help_text="Longest acceptable loss of data, in time",
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="RPO target",
                    ),
                ),
            ],
            options={
                "ordering": ["position", "name"],
            },
        ),
        migrations.CreateModel(
            name="Backup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "backup_id",
                    models.CharField(
                        max_length=128,
                        unique=True,
                        validators=[django.core.validators.RegexValidator("\\A(?:[a-zA-Z0-9_-]{1,128})\\Z")],
                        verbose_name="backup ID",
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("full", "Full"),
                            ("differential", "Differential"),
                            ("incremental", "Incremental"),
                        ],
                        default="full",
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("stored", "Stored"),
                            ("checked", "Checked"),
                            ("restore_tested", "Restore-tested"),
                            ("damaged", "Damaged"),
                            ("missing", "Missing"),
                        ],
                        default="stored",
                        max_length=16,
                    ),
                ),
                ("state_changed_at", models.DateTimeField()),
                (
                    "failed_level",
                    models.CharField(
                        blank=True, help_text="Damaged: the level of verification that said so", max_length=16
                    ),
                ),
                ("reader", models.CharField(blank=True, max_length=16)),
                ("reader_reason", models.CharField(blank=True, max_length=500)),
                ("started_at", models.DateTimeField()),
                ("stopped_at", models.DateTimeField(help_text="It restores to this instant")),
                ("seconds", models.FloatField()),
                ("start_position", models.CharField(max_length=64)),
                ("stop_position", models.CharField(max_length=64)),
                ("fingerprint_position", models.CharField(blank=True, max_length=64)),
                ("timeline", models.PositiveIntegerField(default=1)),
                ("system_identifier", models.CharField(blank=True, max_length=32)),
                ("server_version", models.CharField(blank=True, max_length=120)),
                ("files", models.PositiveBigIntegerField(default=0)),
                ("bytes_read", models.PositiveBigIntegerField(default=0)),
                ("bytes_stored", models.PositiveBigIntegerField(default=0)),
                ("object_count", models.PositiveIntegerField(default=0)),
                ("peak_memory", models.PositiveBigIntegerField(default=0)),
                ("data_key_id", models.CharField(blank=True, max_length=128, verbose_name="data key ID")),
                ("bad_pages", models.JSONField(blank=True, default=list)),
                ("warnings", models.JSONField(blank=True, default=list)),
                (
                    "rebuilt_at",
                    models.DateTimeField(
                        blank=True, help_text="This row was recreated from the repository", null=True
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="ops.job",
                    ),
                ),
                (
                    "parents",
                    models.ManyToManyField(blank=True, related_name="dependents", to="catalog.backup"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-stopped_at", "-id"], name="catalog_backup_newest"),
                    models.Index(fields=["state", "-stopped_at"], name="catalog_backup_by_state"),
                ],
                "ordering": ["-stopped_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="EncryptionKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key_id", models.CharField(max_length=128, unique=True, verbose_name="key ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("local", "Key file"), ("aws_kms", "AWS KMS"), ("vault", "Vault transit")],
                        default="local",
                        max_length=16,
                    ),
                ),
                (
                    "location",
                    models.CharField(
                        help_text="Key file, ARN or path; never the key itself", max_length=1024
                    ),
                ),
                (
                    "is_current",
                    models.BooleanField(default=False, help_text="New data keys are wrapped by it"),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-is_current", "-created_at"],
                "permissions": [("rotate_encryptionkey", "Can rotate the key-encryption key")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_current", True)),
                        fields=("is_current",),
                        name="catalog_one_current_key",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Instance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "identifier",
                    models.CharField(
                        editable=False,
                        help_text="Its folder in repositories; never changes",
                        max_length=128,
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=63, unique=True)),
                (
                    "engine",
                    models.CharField(
                        choices=[("postgresql", "PostgreSQL")], default="postgresql", max_length=16
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                (
                    "port",
                    models.PositiveIntegerField(
                        default=5432,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(65535),
                        ],
                    ),
                ),
                ("user", models.CharField(max_length=63)),
                (
                    "database",
                    models.CharField(
                        default="postgres",
                        help_text="Where to connect first; every database is backed up",
                        max_length=63,
                    ),
                ),
                (
                    "data_directory",
                    models.CharField(
                        blank=True,
                        help_text="When a worker can read it, backups are read from the files",
                        max_length=1024,
                    ),
                ),
                (
                    "environment",
                    models.CharField(
                        choices=[
                            ("production", "Production"),
                            ("staging", "Staging"),
                            ("development", "Development"),
                            ("sandbox", "Sandbox"),
                        ],
                        default="production",
                        max_length=16,
                    ),
                ),
                ("region", models.CharField(blank=True, max_length=63)),
                (
                    "tls_mode",
                    models.CharField(
                        choices=[
                            ("disable", "Never encrypt"),
                            ("prefer", "Encrypt when the server can"),
                            ("require", "Always encrypt, do not check the certificate"),
                            ("verify-ca", "Encrypt, check who issued the certificate"),
                            ("verify-full", "Encrypt, check the issuer and the host name"),
                        ],
                        default="prefer",
                        max_length=16,
                        verbose_name="TLS mode",
                    ),
                ),
                ("tls_ca_file", models.CharField(blank=True, max_length=1024, verbose_name="CA file")),
                (
                    "tls_certificate_file",
                    models.CharField(blank=True, max_length=1024, verbose_name="client certificate file"),
                ),
                (
                    "tls_key_file",
                    models.CharField(blank=True, max_length=1024, verbose_name="client key file"),
                ),
                (
                    "password_sealed",
                    models.TextField(
                        blank=True, editable=False, help_text="AES-256-GCM, bound to this row; write-only"
                    ),
                ),
                ("system_identifier", models.CharField(blank=True, max_length=32)),
                ("server_version", models.CharField(blank=True, max_length=120)),
                ("size_bytes", models.PositiveBigIntegerField(blank=True, null=True)),
                ("data_checksums", models.BooleanField(blank=True, null=True)),
                ("in_recovery", models.BooleanField(blank=True, null=True)),
                (
                    "connection_encrypted",
                    models.BooleanField(
                        blank=True, help_text="At the last probe; empty when never probed", null=True
                    ),
                ),
                ("connection_tls_protocol", models.CharField(blank=True, max_length=32)),
                ("clock_skew_seconds", models.FloatField(blank=True, null=True)),
                ("data_directory_readable", models.BooleanField(blank=True, null=True)),
                ("probed_at", models.DateTimeField(blank=True, null=True)),
                ("probe_warnings", models.JSONField(blank=True, default=list)),
                (
                    "probe_problem",
                    models.CharField(blank=True, help_text="Why the last probe failed", max_length=500),
                ),
                (
                    "last_good_at",
                    models.DateTimeField(
                        blank=True,
                        db_index=True,
                        editable=False,
                        help_text="Nothing after this can be restored",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "last_good_backup",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="catalog.backup",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "repository",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="instances",
                        to="catalog.repository",
                    ),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="instances",
                        to="catalog.tier",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["environment", "name"], name="catalog_ins_environ_603271_idx")
                ],
                "ordering": ["name"],
                "permissions": [
                    ("backup_instance", "Can back up an instance"),
                    ("verify_instance", "Can verify the backups of an instance"),
                    ("restore_instance", "Can restore from the backups of an instance"),
                    ("grant_instance", "Can give others access to an instance"),
                ],
            },
        ),
        migrations.AddField(
            model_name="backup",
            name="instance",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="backups", to="catalog.instance"
            ),
        ),
        migrations.AddField(
            model_name="backup",
            name="repository",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="backups", to="catalog.repository"
            ),
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("checksum", "Checksum"), ("decode", "Decode"), ("restore", "Restore test")],
                        max_length=16,
                    ),
                ),
                ("passed", models.BooleanField()),
                (
                    "checks",
                    models.JSONField(
                        help_text="[{name, passed, expected, found}]; passed null: not applicable"
                    ),
                ),
                ("timings", models.JSONField(blank=True, default=dict, help_text="Seconds per part")),
                ("seconds", models.FloatField()),
                (
                    "rto_seconds",
                    models.FloatField(
                        blank=True,
                        help_text="Restore test: first byte fetched to a server compared",
                        null=True,
                    ),
                ),
                ("bytes_read", models.PositiveBigIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(db_index=True)),
                (
                    "worker",
                    models.CharField(blank=True, help_text="Host on which it was measured", max_length=255),
                ),
                (
                    "backup",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verifications",
                        to="catalog.backup",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="ops.job",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["backup", "-finished_at"], name="catalog_verification_backup"),
                    models.Index(
                        fields=["level", "passed", "-finished_at"], name="catalog_verification_level"
                    ),
                ],
                "ordering": ["-finished_at", "-pk"],
            },
        ),
        migrations.AddField(
            model_name="instance",
            name="last_restore_test",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="catalog.verification",
            ),
        ),
        migrations.AddField(
            model_name="instance",
            name="rto_evidence",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                help_text="The latest restore test that passed: its measured time",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="catalog.verification",
            ),
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=63)),
                ("prefix", models.CharField(help_text="What a person recognises it by", max_length=12)),
                (
                    "digest",
                    models.CharField(
                        editable=False, help_text="SHA-256 of the token", max_length=64, unique=True
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["owner", "name"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "name"), name="catalog_token_name_once_per_owner"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="InstanceDatabase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                ("size_bytes", models.PositiveBigIntegerField(default=0)),
                (
                    "tables",
                    models.PositiveIntegerField(
                        blank=True, help_text="Empty when it could not be asked", null=True
                    ),
                ),
                (
                    "safe_name",
                    models.BooleanField(
                        default=True, help_text="False: backed up and shown, but may not be typed anywhere"
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("is_present", models.BooleanField(default=True, help_text="Seen by the last probe")),
                (
                    "instance",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="databases",
                        to="catalog.instance",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("instance", "name"), name="catalog_database_once_per_instance"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="InstanceGroupPermission",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "content_object",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="group_permissions",
                        to="catalog.instance",
                    ),
                ),
                ("group", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.group")),
                (
                    "permission",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.permission"),
                ),
            ],
            options={
                "verbose_name": "instance permission of a group",
                "verbose_name_plural": "instance permissions of groups",
                "abstract": False,
                "unique_together": {("group", "permission", "content_object")},
            },
        ),
        migrations.CreateModel(
            name="InstanceUserPermission",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "content_object",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="user_permissions",
                        to="catalog.instance",
                    ),
                ),
                (
                    "permission",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.permission"),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "instance permission of a user",
                "verbose_name_plural": "instance permissions of users",
                "abstract": False,
                "unique_together": {("user", "permission", "content_object")},
            },
        ),
        migrations.AddIndex(
            model_name="backup",
            index=models.Index(fields=["instance", "-stopped_at"], name="catalog_backup_of_instance"),
        ),
        migrations.AddIndex(
            model_name="backup",
            index=models.Index(fields=["repository", "-stopped_at"], name="catalog_backup_in_repository"),
        ),
    ]
