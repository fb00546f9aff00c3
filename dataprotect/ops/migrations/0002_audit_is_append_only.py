"""The database refuses to change or remove an audit event."""

from django.db import migrations

from dataprotect.ops import triggers


def refuse(apps, schema_editor):
    triggers.create(schema_editor.connection)


def allow(apps, schema_editor):
    triggers.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("ops", "0001_initial")]
    operations = [migrations.RunPython(refuse, allow)]
