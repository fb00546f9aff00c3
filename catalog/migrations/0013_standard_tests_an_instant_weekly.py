"""The standard preset tried an instant once a month; every streamed log is to be tried every week."""

from django.db import migrations

MONTHLY, WEEKLY = "30 5 1 * *", "30 5 * * 6"


def weekly(apps, schema_editor):
    """Only where nobody has changed it."""
    standard = apps.get_model("catalog", "Policy").objects.filter(name="standard", pitr_test_cron=MONTHLY)
    standard.update(pitr_test_cron=WEEKLY)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0012_roles_of_people")]
    operations = [migrations.RunPython(weekly, migrations.RunPython.noop)]
