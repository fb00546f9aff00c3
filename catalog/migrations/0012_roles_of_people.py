"""Who rules people and the profile; the group of break-glass; a record for every membership there is.

The tables are written out here and not imported: a migration must go on meaning what it meant.
"""

from django.db import migrations
from django.utils import timezone

ROLES = {
    "DBA Lead": ("catalog.view_rolegrant", "catalog.grant_role", "ops.choose_profile"),
    "auditor": ("catalog.view_rolegrant",),
    "Break-glass": (),
}
PERMISSIONS = {
    "view_rolegrant": ("rolegrant", "Can view role grant"),
    "grant_role": ("rolegrant", "Can give people roles and take them back"),
    "choose_profile": ("profilechoice", "Can choose the operating profile"),
}


def permission(apps, name):
    """Django makes permissions only after all migrations have run, so the rows are made here, as it would."""
    label, codename = name.split(".")
    model, words = PERMISSIONS[codename]
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=label, model=model
    )
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": words}
    )
    return found


def create(apps, schema_editor):
    for name, permissions in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*[permission(apps, each) for each in permissions])


def record(apps, schema_editor):
    """Nobody knows how old these are or who gave them: they count 24 hours from now."""
    grants = apps.get_model("catalog", "RoleGrant")
    members = apps.get_model("auth", "User").groups.through.objects.all()
    grants.objects.bulk_create(
        grants(
            user_id=member.user_id,
            role_id=member.group_id,
            door="unknown",
            granted_at=timezone.now(),
            granted_by_name="unknown",
        )
        for member in members
    )


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0011_people"),
        ("ops", "0004_people"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(create, migrations.RunPython.noop),
        migrations.RunPython(record, migrations.RunPython.noop),
    ]
