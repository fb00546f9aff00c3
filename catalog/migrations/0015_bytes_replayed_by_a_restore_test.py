"""How much log a restore test replayed, so that the rate of replaying is measured."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0014_slots_left"),
    ]

    operations = [
        migrations.AddField(
            model_name="verification",
            name="bytes_replayed",
            field=models.PositiveBigIntegerField(default=0, help_text="Restore test: bytes of log"),
        ),
    ]
