"""The roles of DESIGN as groups with their permissions, and the three tiers with their default targets.

The table is written out here and not imported: a migration must go on meaning what it meant.
"""

from django.db import migrations

SEE_PLACES = (
    "catalog.view_repository",
    "catalog.view_encryptionkey",
    "catalog.view_tier",
    "ops.view_job",
    "ops.view_stopswitch",
)
SEE_ALL = (
    *SEE_PLACES,
    "catalog.view_instance",
    "catalog.view_backup",
    "catalog.view_verification",
    "restores.view_clone",
    "ops.view_auditevent",
)
ACT_AT_ONCE = ("ops.raise_stop",)
WORK_ON_ALL = (
    "catalog.add_instance",
    "catalog.change_instance",
    "catalog.backup_instance",
    "catalog.verify_instance",
    "catalog.restore_instance",
)
RUN_STORAGE = ("catalog.add_repository", "catalog.change_repository", "catalog.check_repository")
ROLES = {
    "operator": (
        *SEE_ALL,
        *RUN_STORAGE,
        "catalog.backup_instance",
        "catalog.verify_instance",
        *ACT_AT_ONCE,
        "ops.cancel_job",
    ),
    "DBA": (*SEE_PLACES, *ACT_AT_ONCE, "catalog.add_instance"),
    "Senior DBA": (*SEE_ALL, *WORK_ON_ALL, "catalog.check_repository", *ACT_AT_ONCE, "ops.cancel_job"),
    "DBA Lead": (
        *SEE_ALL,
        *WORK_ON_ALL,
        *RUN_STORAGE,
        "catalog.grant_instance",
        "catalog.change_tier",
        "catalog.rotate_encryptionkey",
        "ops.lift_stop",
        *ACT_AT_ONCE,
        "ops.cancel_job",
    ),
    "Engineering Manager": (*SEE_ALL, *ACT_AT_ONCE),
    "VP Engineering": (*SEE_ALL, *ACT_AT_ONCE),
    "auditor": SEE_ALL,
}
OWN_WORDS = {
    "backup_instance": "Can back up an instance",
    "verify_instance": "Can verify the backups of an instance",
    "restore_instance": "Can restore from the backups of an instance",
    "grant_instance": "Can give others access to an instance",
    "check_repository": "Can check a repository",
    "rotate_encryptionkey": "Can rotate the key-encryption key",
    "cancel_job": "Can cancel a job",
    "raise_stop": "Can raise the emergency stop",
    "lift_stop": "Can lift the emergency stop",
}
TIERS = (("critical", 1, 3600, 300), ("standard", 2, 4 * 3600, 3600), ("archival", 3, 24 * 3600, 24 * 3600))


def permission(apps, full_name):
    """Django makes permissions only after all migrations have run, so the rows are made here, as it would."""
    app_label, codename = full_name.split(".")
    verb, model = codename.split("_")
    model = {"stop": "stopswitch"}.get(model, model)
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=app_label, model=model
    )
    words = OWN_WORDS.get(codename) or f"Can {verb} {apps.get_model(app_label, model)._meta.verbose_name}"
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": words}
    )
    return found


def create(apps, schema_editor):
    for name, permissions in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*[permission(apps, full_name) for full_name in permissions])
    for name, position, rto, rpo in TIERS:
        apps.get_model("catalog", "Tier").objects.get_or_create(
            name=name, defaults={"position": position, "rto_seconds": rto, "rpo_seconds": rpo}
        )


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0001_initial"),
        ("restores", "0001_initial"),
        ("ops", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
