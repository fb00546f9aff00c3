"""Forms of the catalog. A field has the validator that API and commands use too; services check again."""

from catalog.forms.instances import (
    RIGHTS,
    AccessForm,
    InstanceForm,
    RepositoryForm,
    RotateForm,
    holder_of,
    initial_of,
    show_refusal,
)

__all__ = [
    "RIGHTS",
    "AccessForm",
    "InstanceForm",
    "RepositoryForm",
    "RotateForm",
    "holder_of",
    "initial_of",
    "show_refusal",
]
