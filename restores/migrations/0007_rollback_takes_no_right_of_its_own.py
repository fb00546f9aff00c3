"""Rolling back takes the right to restore the instance; the permission beside it was never asked for."""

from django.db import migrations


def forget(apps, schema_editor):
    apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="restores", codename="rollback_restore"
    ).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("restores", "0006_draft_and_comparison"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="restorerequest",
            options={
                "ordering": ["-created_at", "-pk"],
                "permissions": [("approve_restore", "Can sign restore requests in the role held")],
                "verbose_name": "restore request",
            },
        ),
        migrations.RunPython(forget, migrations.RunPython.noop),
    ]
