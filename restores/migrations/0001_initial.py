import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0001_initial"),
        ("ops", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Clone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("clone_id", models.CharField(max_length=128, unique=True, verbose_name="clone ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ready", "Ready"),
                            ("lost", "Lost"),
                            ("dropping", "Being dropped"),
                            ("dropped", "Dropped"),
                        ],
                        db_index=True,
                        default="ready",
                        max_length=16,
                    ),
                ),
                ("dsn", models.CharField(blank=True, max_length=1024, verbose_name="DSN")),
                ("data_directory", models.CharField(blank=True, max_length=1024)),
                ("socket_directory", models.CharField(blank=True, max_length=1024)),
                ("port", models.PositiveIntegerField(blank=True, null=True)),
                ("pid", models.PositiveIntegerField(blank=True, null=True)),
                ("worker", models.CharField(blank=True, help_text="Host it runs on", max_length=255)),
                ("reached_position", models.CharField(blank=True, max_length=64)),
                ("timings", models.JSONField(blank=True, default=dict)),
                (
                    "created_by",
                    models.CharField(help_text="User name, or system:<unix user>", max_length=150),
                ),
                ("ready_at", models.DateTimeField()),
                ("dropped_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(db_index=True, help_text="Swept after this instant")),
                (
                    "backup",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="clones",
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
                "ordering": ["-ready_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="RestoredFolder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("folder", models.CharField(max_length=1024)),
                ("tablespaces", models.JSONField(blank=True, default=dict, help_text="{name: folder}")),
                ("files", models.PositiveBigIntegerField(default=0)),
                ("bytes_written", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0)),
                ("worker", models.CharField(blank=True, max_length=255)),
                ("created_by", models.CharField(max_length=150)),
                ("finished_at", models.DateTimeField()),
                (
                    "backup",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="restored_folders",
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
                "ordering": ["-finished_at", "-pk"],
            },
        ),
    ]
