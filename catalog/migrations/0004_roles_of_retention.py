"""Who sees holds, expiries and change requests, who may ask, and who may be the second person.

The table is written out here and not imported: a migration must go on meaning what it meant.
"""

from django.db import migrations

SEE = ("view_legalhold", "view_expiry", "view_retentionaudit", "view_changerequest")
PROTECT = ("add_legalhold", "add_changerequest", "approve_deletion")
ROLES = {
    "operator": (*SEE, "expire_repository"),
    "Senior DBA": (*SEE, *PROTECT, "expire_repository"),
    "DBA Lead": (*SEE, *PROTECT, "approve_release", "expire_repository"),
    "Engineering Manager": (*SEE, *PROTECT, "approve_release"),
    "VP Engineering": (*SEE, *PROTECT),
    "auditor": SEE,
}
MODELS = {"deletion": "changerequest", "release": "changerequest"}
OWN_WORDS = {
    "approve_deletion": "Can approve the deletion of a backup",
    "approve_release": "Can approve lifting a hold or keeping backups for a shorter time",
    "expire_repository": "Can remove what the rules of retention no longer keep",
}


def permission(apps, codename):
    """Django makes permissions only after all migrations have run, so the rows are made here, as it would."""
    verb, model = codename.split("_")
    model = MODELS.get(model, model)
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="catalog", model=model
    )
    words = OWN_WORDS.get(codename) or f"Can {verb} {apps.get_model('catalog', model)._meta.verbose_name}"
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": words}
    )
    return found


def grant(apps, schema_editor):
    for name, codenames in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*[permission(apps, codename) for codename in codenames])


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_retention_and_holds"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
