"""The first approval policy, and who may sign, review and propose.

The tables are written out here and not imported: a migration must go on meaning what it meant.
"""

import hashlib
import json

from django.db import migrations
from django.utils import timezone

GB, TB = 10**9, 10**12
ROWS = [
    {"scope": "test", "databases": None, "bytes": None, "roles": []},
    {"scope": "database", "databases": 1, "bytes": 500 * GB, "roles": ["DBA"]},
    {
        "scope": "databases",
        "databases": 3,
        "bytes": 1 * TB,
        "roles": ["Senior DBA", "Engineering Manager"],
    },
    {"scope": "system", "databases": None, "bytes": None, "roles": ["VP Engineering", "DBA Lead"]},
]
SIGN, SEE = "approve_restore", "view_restorerequest"
REVIEW, PROPOSE = "review_breakglass", "propose_approvalpolicy"
ROLES = {
    "operator": (SEE,),
    "DBA": (SEE, SIGN),
    "Senior DBA": (SEE, SIGN),
    "DBA Lead": (SEE, SIGN, REVIEW, PROPOSE),
    "Engineering Manager": (SEE, SIGN, REVIEW),
    "VP Engineering": (SEE, SIGN, REVIEW),
    "auditor": (SEE,),
}
PERMISSIONS = {
    SEE: ("restorerequest", "Can view restore request"),
    SIGN: ("restorerequest", "Can sign restore requests in the role held"),
    REVIEW: ("breakglassuse", "Can review restores started by breaking the glass"),
    PROPOSE: ("approvalpolicy", "Can propose another table of approvals"),
}


def permission(apps, codename):
    """Django makes permissions only after all migrations have run, so the rows are made here, as it would."""
    model, words = PERMISSIONS[codename]
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="restores", model=model
    )
    found, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": words}
    )
    return found


def create(apps, schema_editor):
    for name, codenames in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*[permission(apps, each) for each in codenames])
    text = json.dumps(ROWS, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    apps.get_model("restores", "ApprovalPolicy").objects.get_or_create(
        version=1,
        defaults={
            "state": "active",
            "rows": ROWS,
            "rows_hash": hashlib.sha256(text.encode()).hexdigest(),
            "reason": "The policy every installation begins with.",
            "proposed_by_name": "system",
            "proposed_at": timezone.now(),
            "decided_at": timezone.now(),
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("restores", "0003_requests_and_runs"),
        ("catalog", "0012_roles_of_people"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
