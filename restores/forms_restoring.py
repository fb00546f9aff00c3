"""What people type about restoring onto an instance: the account that may write, limits, smoke tests."""

from __future__ import annotations

from typing import Any

from django import forms

from dataprotect.core import validation
from dataprotect.core.secrets import Secret
from dataprotect.ops.forms import HouseForm, checked
from restores.models import RestoreSettings, SmokeTest
from restores.services.hook_rules import hooks_in_words
from restores.states import SmokeTestKind

_LISTS = ("stop_command", "start_command", "http_prefixes")


def _lines(words: str) -> forms.CharField:
    return forms.CharField(
        required=False, max_length=4000, help_text=words,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
    )  # fmt: skip


class RestoringForm(HouseForm):
    """The password is write-only: empty keeps the stored one. Lists are typed one word a line."""

    user = forms.CharField(
        max_length=63, required=False, label="Restore account",
        validators=[checked(validation.user_name)],
        help_text="An account that may create databases. Empty: the one of the backups.",
    )  # fmt: skip
    password = forms.CharField(
        max_length=1000, required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted, never shown again.",
    )  # fmt: skip
    jobs = forms.IntegerField(min_value=1, max_value=64, label="Parallel jobs")
    drain_seconds = forms.IntegerField(
        min_value=0, max_value=600, label="Grace for connections, seconds",
        help_text="Before their sessions are ended for the exchange.",
    )  # fmt: skip
    watch_seconds = forms.IntegerField(
        min_value=0, max_value=3600, label="Watch for, seconds", help_text="After each exchange."
    )
    keep_hours = forms.IntegerField(
        min_value=1, max_value=8760, label="Keep the old copy for, hours",
        help_text="As long as it is kept, the restore can be rolled back.",
    )  # fmt: skip
    duration_limit_percent = forms.IntegerField(
        min_value=100, max_value=1000, label="Longest duration, % of the estimate"
    )
    mismatch_limit_permille = forms.FloatField(
        min_value=0, max_value=1000, label="Rows that may be missing, per mille"
    )
    free_limit_percent = forms.IntegerField(min_value=0, max_value=90, label="Least free disk, %")
    stop_command = _lines("Stops the server: a program and its arguments, one a line. There is no shell.")
    start_command = _lines("Starts it again, written the same way.")
    http_prefixes = _lines("Where smoke tests over HTTP may go, such as https://shop.example/, one a line.")

    def __init__(self, *args: Any, has_password: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["http_prefixes"].label = "Addresses for smoke tests"
        self.fields["stop_command"].help_text += f" The operator allows what begins with: {hooks_in_words()}."
        if has_password:
            self.fields["password"].help_text = "One is stored. Leave this empty to keep it."

    def values(self) -> dict[str, Any]:
        """What the service takes: lists of words, the password as a Secret or None."""
        typed = dict(self.cleaned_data)
        password = typed.pop("password")
        for name in _LISTS:
            typed[name] = [line.strip() for line in typed[name].splitlines() if line.strip()]
        return {**typed, "password": Secret(password) if password else None}


def initial_of_settings(row: RestoreSettings) -> dict[str, Any]:
    """The settings as the form shows them; never the password."""
    found = {name: getattr(row, name) for name in RestoringForm.base_fields if name != "password"}
    return found | {name: "\n".join(found[name]) for name in _LISTS}


class SmokeTestForm(HouseForm):
    """What is asked of a restored database before and after it is taken into use."""

    name = forms.CharField(max_length=63)
    kind = forms.ChoiceField(choices=SmokeTestKind.choices)
    database = forms.CharField(
        max_length=63, required=False, help_text="Empty: whichever database is restored."
    )
    question = forms.CharField(
        max_length=4000, widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text="One statement that reads; or an address, asked without following redirects.",
    )  # fmt: skip
    expected = forms.CharField(
        max_length=500, required=False,
        help_text="The first value as text, or words on the page. "
        "Empty: any value, any page with status 200.",
    )  # fmt: skip
    timeout_seconds = forms.IntegerField(min_value=1, max_value=300, initial=10, label="Seconds at most")
    enabled = forms.BooleanField(required=False, initial=True, label="It is asked")


def initial_of_test(test: SmokeTest) -> dict[str, Any]:
    return {name: getattr(test, name) for name in SmokeTestForm.base_fields}
