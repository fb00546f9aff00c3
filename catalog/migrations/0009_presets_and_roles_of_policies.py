"""One policy per tier to begin with, and who sees and writes policies.

The tables are written out here and not imported: a migration must go on meaning what it meant.
"""

from datetime import time

from django.db import migrations

SEE = ("view_policy",)
SEE_ALL = (*SEE, "view_scheduledrun")
WRITE = ("add_policy", "change_policy", "delete_policy")
ROLES = {
    "operator": SEE_ALL,
    "DBA": SEE,
    "Senior DBA": SEE_ALL,
    "DBA Lead": (*SEE_ALL, *WRITE),
    "Engineering Manager": SEE_ALL,
    "VP Engineering": SEE_ALL,
    "auditor": SEE_ALL,
}
MODELS = {"scheduledrun": "scheduled run"}
PRESETS = {
    "critical": {
        "description": "Loses seconds: the log is streamed, and a restore is proved every day.",
        "full_cron": "0 1 * * 0",
        "differential_cron": "0 1 * * *",
        "incremental_cron": "0 * * * *",
        "stream_logs": True,
        "restore_test_cron": "0 4 * * *",
        "pitr_test_cron": "30 5 * * 1",
        "audit_cron": "0 6 1 * *",
        "log_window_days": 30,
    },
    "standard": {
        "description": "Loses seconds, with fewer backups to begin from: a restore takes longer.",
        "full_cron": "0 2 * * 0",
        "differential_cron": "0 2 * * *",
        "incremental_cron": "0 8,14,20 * * *",
        "stream_logs": True,
        "restore_test_cron": "0 5 * * 3",
        "pitr_test_cron": "30 5 1 * *",
        "audit_cron": "0 6 1 * *",
        "log_window_days": 14,
        "late_after_minutes": 240,
    },
    "archival": {
        "description": "Changes seldom: a backup a night, proved once a month.",
        "full_cron": "0 3 1 * *",
        "differential_cron": "0 3 * * *",
        "restore_test_cron": "0 5 15 * *",
        "audit_cron": "0 6 1 * *",
        "log_window_days": 0,
        "late_after_minutes": 720,
        "backup_window_start": time(22, 0),
        "backup_window_end": time(6, 0),
        "max_concurrent": 1,
    },
}


def permission(apps, codename):
    """Django makes permissions only after all migrations have run, so the rows are made here, as it would."""
    verb, model = codename.split("_")
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="catalog", model=model
    )
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": f"Can {verb} {MODELS.get(model, model)}"}
    )
    return found


def create(apps, schema_editor):
    for name, codenames in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*[permission(apps, codename) for codename in codenames])
    for name, values in PRESETS.items():
        tier = apps.get_model("catalog", "Tier").objects.filter(name=name).first()
        apps.get_model("catalog", "Policy").objects.get_or_create(
            name=name, defaults={"tier": tier, **values}
        )


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0008_policies"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
