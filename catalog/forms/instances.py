"""Forms about repositories, instances and the rights on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User

from catalog import roles
from catalog.models import Instance, Repository, Tier
from catalog.services.repository_add import repository_url
from catalog.states import Environment, TlsMode
from dataprotect.core import validation
from dataprotect.core.errors import InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.ops.forms import HouseForm, checked

RIGHTS = {
    "view_instance": "see it",
    "change_instance": "change its settings",
    "backup_instance": "back it up",
    "verify_instance": "verify its backups",
    "restore_instance": "restore from its backups",
    "grant_instance": "give others rights on it",
}
FIELD_OF = {
    "instance_name": "name",
    "repository_name": "name",
    "repository_url": "url",
    "user_name": "user",
    "database_name": "database",
    "path": "data_directory",
}
"""Where a refusal of a service belongs on a form that calls the field otherwise."""


def show_refusal(form: forms.Form, error: InvalidInput) -> None:
    """Put the sentence of a service's refusal to the field it is about, or to the whole form."""
    field = error.field if error.field in form.fields else FIELD_OF.get(error.field)
    form.add_error(field if field in form.fields else None, error.message)


class RepositoryForm(HouseForm):
    name = forms.CharField(
        max_length=63, validators=[checked(validation.repository_name)],
        help_text="Letters, digits, _ and -. It appears wherever the repository is chosen.",
    )  # fmt: skip
    url = forms.CharField(
        max_length=1024, validators=[checked(repository_url)], label="Place",
        help_text="A folder on the workers, such as /srv/backups. Best on other disks than the databases.",
    )  # fmt: skip
    region = forms.CharField(
        max_length=63, required=False, validators=[checked(validation.region)],
        help_text="Where it is, such as eu-central-1 or cellar.",
    )  # fmt: skip


class InstanceForm(HouseForm):
    """Adding and editing. The password is write-only: empty means none, or when editing the stored one."""

    name = forms.CharField(
        max_length=63, validators=[checked(validation.instance_name)],
        help_text="Letters, digits, _ and -. Backups are named after it.",
    )  # fmt: skip
    environment = forms.ChoiceField(choices=Environment.choices)
    tier = forms.ModelChoiceField(queryset=Tier.objects.all(), empty_label=None)
    host = forms.CharField(
        max_length=255, help_text="A name, an address, or the absolute folder of a Unix socket."
    )
    port = forms.CharField(
        max_length=5, initial="5432", validators=[checked(validation.port)],
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    user = forms.CharField(
        max_length=63, validators=[checked(validation.user_name)],
        help_text="A superuser, or an account with REPLICATION and pg_read_all_data.",
    )  # fmt: skip
    password = forms.CharField(
        max_length=1000, required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted, never shown again.",
    )  # fmt: skip
    database = forms.CharField(
        max_length=63, initial="postgres", validators=[checked(validation.database_name)],
        label="First database", help_text="Where to connect first. Every database is backed up.",
    )  # fmt: skip
    tls_mode = forms.ChoiceField(choices=TlsMode.choices, initial=TlsMode.PREFER, label="Encryption")
    tls_ca_file = forms.CharField(
        max_length=1024, required=False, label="CA file", validators=[checked(validation.local_path)]
    )
    tls_certificate_file = forms.CharField(
        max_length=1024,
        required=False,
        label="Client certificate file",
        validators=[checked(validation.local_path)],
    )
    tls_key_file = forms.CharField(
        max_length=1024, required=False, label="Client key file", validators=[checked(validation.local_path)]
    )
    repository = forms.ModelChoiceField(queryset=Repository.objects.all(), empty_label=None)
    data_directory = forms.CharField(
        max_length=1024, required=False, validators=[checked(validation.local_path)],
        help_text="If a worker can read it, backups are read from the files, which is faster.",
    )  # fmt: skip
    region = forms.CharField(max_length=63, required=False, validators=[checked(validation.region)])

    def __init__(self, *args: Any, has_password: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if has_password:
            self.fields["password"].help_text = "One is stored. Leave this empty to keep it."

    def values(self) -> dict[str, Any]:
        """What the services take: the password as a Secret, or None when none was typed."""
        typed = dict(self.cleaned_data)
        password = typed.pop("password")
        return {**typed, "password": Secret(password) if password else None}


def initial_of(instance: Instance) -> Mapping[str, Any]:
    """The instance as the form shows it; never the password."""
    names = [name for name in InstanceForm.base_fields if name != "password"]
    return {name: getattr(instance, name) for name in names}


class AccessForm(HouseForm):
    """Rights on one instance, for a person or a group."""

    holder = forms.ChoiceField(label="Who")
    permissions = forms.MultipleChoiceField(
        choices=[(name, RIGHTS[name]) for name in roles.GRANTABLE],
        widget=forms.CheckboxSelectMultiple,
        label="May",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True).order_by("username").values_list("pk", "username")
        groups = Group.objects.order_by("name").values_list("pk", "name")
        choices = [
            ("People", [(f"user:{key}", name) for key, name in people]),
            ("Groups", [(f"group:{key}", name) for key, name in groups]),
        ]
        self.fields["holder"].choices = choices  # type: ignore[attr-defined]


def holder_of(text: str) -> User | Group:
    """`user:3` or `group:2` as its row. Raises InvalidInput."""
    kind, _, key = text.partition(":")
    number = int(key) if key.isdecimal() else 0
    found: User | Group | None = None
    if kind == "user":
        found = User.objects.filter(pk=number).first()
    elif kind == "group":
        found = Group.objects.filter(pk=number).first()
    if found is None:
        raise InvalidInput("holder", "Expected a person or a group that exists.")
    return found


class RotateForm(HouseForm):
    """Rotation names what it changes, and is confirmed by typing the key's own name."""

    key_id = forms.CharField(max_length=128, label="Type the name of the current key")

    def __init__(self, *args: Any, current: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = current

    def clean_key_id(self) -> str:
        typed: str = self.cleaned_data["key_id"].strip()
        if typed != self.current:
            raise forms.ValidationError(f"Expected the name of the current key, {self.current}.")
        return typed
