"""Who sees alerts, who handles them, who says where they are sent.

The table is written out here and not imported: a migration must go on meaning what it meant.
"""

from django.db import migrations

SEE_ALERTS = ("ops.view_alert",)
SEE_ALL = (*SEE_ALERTS, "ops.view_alertdelivery", "catalog.view_scrubrun")
HANDLE = ("ops.handle_alert",)
CHANNELS = (
    "ops.view_alertchannel",
    "ops.add_alertchannel",
    "ops.change_alertchannel",
    "ops.delete_alertchannel",
)
ROLES = {
    "operator": (*SEE_ALL, *HANDLE, *CHANNELS),
    "DBA": (*SEE_ALERTS, *HANDLE),
    "Senior DBA": (*SEE_ALL, *HANDLE),
    "DBA Lead": (*SEE_ALL, *HANDLE, *CHANNELS),
    "Engineering Manager": SEE_ALL,
    "VP Engineering": SEE_ALL,
    "auditor": SEE_ALL,
}
OWN_WORDS = {"handle_alert": "Can acknowledge, snooze, assign and resolve alerts"}


def permission(apps, name):
    """Django makes permissions only after all migrations have run, so the rows are made here, as it would."""
    label, codename = name.split(".")
    verb, model = codename.split("_")
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=label, model=model
    )
    words = OWN_WORDS.get(codename) or f"Can {verb} {apps.get_model(label, model)._meta.verbose_name}"
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": words}
    )
    return found


def grant(apps, schema_editor):
    for name, permissions in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*[permission(apps, each) for each in permissions])


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_scrub_and_usage"),
        ("ops", "0003_alerts"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
