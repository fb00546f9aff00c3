"""The steps of the wizard, and what people say when they decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from catalog.models import Backup, Instance
from catalog.roles import BREAK_GLASS, ROLES
from dataprotect.core import clock, validation
from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.engine.recovery_target import parse_target
from dataprotect.engine.timeline_model import Target
from dataprotect.ops.forms import HouseForm, dress
from dataprotect.ops.operating_profile import Safeguard
from restores.states import Scope, TableMode

GB = 10**9
SIGNED_SCOPES = (Scope.DATABASE, Scope.DATABASES, Scope.SYSTEM)


class SourceForm(HouseForm):
    """Step 1: from which instance, as of when, how much."""

    instance = forms.ModelChoiceField(
        queryset=Instance.objects.none(), to_field_name="name", empty_label="Choose an instance"
    )
    at = forms.CharField(
        max_length=64, required=False, label="As of",
        help_text="An instant with its zone, such as 2026-11-27T14:03:11Z, or “latest”.",
    )  # fmt: skip
    backup = forms.CharField(
        max_length=128, required=False, label="Or one backup, as it is", help_text="Its ID."
    )
    scope = forms.ChoiceField(
        choices=Scope.choices, initial=Scope.TEST, label="How much",
        help_text="A test restore touches no server.",
    )  # fmt: skip

    def __init__(self, *args: Any, instances: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["instance"].queryset = instances  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and bool(data["at"]) == bool(data["backup"]):
            self.add_error("at", "Expected an instant, or one backup.")
        return data

    def clean_at(self) -> str:
        value = str(self.cleaned_data["at"]).strip()
        if value and value != "latest":
            try:
                validation.timestamp(value, now=clock.now())
            except ForeseenError as error:
                raise forms.ValidationError(error.message) from error
        return value

    def target(self) -> Target | None:
        value = self.cleaned_data["at"]
        if not value:
            return None
        latest = value == "latest"
        return parse_target(time=None if latest else value, latest=latest, now=clock.now())

    def chosen_backup(self) -> Backup | None:
        """Raises InvalidInput for one that is not there."""
        name = self.cleaned_data["backup"].strip()
        if not name:
            return None
        found = Backup.objects.filter(instance=self.cleaned_data["instance"], backup_id=name).first()
        if found is None:
            raise InvalidInput("backup", f"Expected a backup of {self.cleaned_data['instance'].name}.")
        return found


class TargetForm(HouseForm):
    """Step 2: where to, and what of it. Nothing is a default."""

    target_instance = forms.ModelChoiceField(
        queryset=Instance.objects.none(), to_field_name="name", empty_label="Choose where to",
        label="Onto", help_text="What is there is replaced or changed. No server is chosen for you.",
    )  # fmt: skip
    databases = forms.CharField(
        label="Database", widget=forms.Textarea(attrs={"rows": 1}), help_text="Its name."
    )
    tables = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text="schema.table, one a line.")
    table_mode = forms.ChoiceField(
        required=False, choices=[("", "Choose what becomes of the rows"), *TableMode.choices], label="How"
    )
    triggers = forms.ChoiceField(
        required=False, choices=[("disabled", "Triggers sleep meanwhile"), ("fire", "Triggers fire")]
    )

    def __init__(self, *args: Any, instances: Any, scope: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target_instance"].queryset = instances  # type: ignore[attr-defined]
        if scope != Scope.TABLE:
            for name in ("tables", "table_mode", "triggers"):
                del self.fields[name]
        if scope == Scope.SYSTEM:
            del self.fields["databases"]
        elif scope == Scope.DATABASES:
            several = self.fields["databases"]
            several.label, several.widget.attrs["rows"] = "Databases", 3
            several.help_text = "One name a line, in the order of the run."

    def clean_databases(self) -> list[str]:
        return _lines(self.cleaned_data["databases"])

    def clean_tables(self) -> list[tuple[str, str]]:
        found = []
        for line in _lines(self.cleaned_data["tables"]):
            schema, dot, table = line.partition(".")
            if not dot or not schema or not table:
                raise forms.ValidationError(f"Expected schema.table, got {validation.shown(line)}.")
            found.append((schema, table))
        return found


class SubmitForm(HouseForm):
    """Step 4: ticket, window, reason, and the typed name. `demanded`: what the profile insists on."""

    _ANSWERS = {
        Safeguard.CHANGE_TICKET: ("ticket",),
        Safeguard.DOWNTIME_WINDOW: ("window_start", "window_end"),
    }

    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Whoever signs reads it."
    )
    ticket = forms.CharField(max_length=100, required=False, label="Change ticket")
    window_start = forms.DateTimeField(
        required=False, label="Downtime from", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    window_end = forms.DateTimeField(
        required=False, label="Downtime until", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    typed_target = forms.CharField(
        max_length=255,
        required=False,
        label="Type the name",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, name: str, demanded: frozenset[Safeguard], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for end in ("window_start", "window_end"):
            self.fields[end].help_text = f"In {timezone.get_current_timezone_name()}."
        for item in demanded:
            for answer in self._ANSWERS[item]:
                self.fields[answer].required = True
        if not name:
            del self.fields["typed_target"]
            return
        self.fields["typed_target"].help_text = f"Type {name}, exactly, to confirm what is replaced."
        self.fields["typed_target"].required = True


class DecisionForm(HouseForm):
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="It is kept in the audit chain."
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class ApprovalPolicyForm(HouseForm):
    """Another table of approvals, a row at a time."""

    reason = forms.CharField(max_length=500, help_text="Whoever signs it reads this.")
    approval_hours = forms.IntegerField(min_value=1, max_value=720, help_text="A request lapses after this.")
    execution_hours = forms.IntegerField(
        min_value=1, max_value=720, help_text="The right to start lapses after this."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(role, role) for role in ROLES if role != BREAK_GLASS]
        for scope in SIGNED_SCOPES:
            word = scope.label
            if scope != Scope.SYSTEM:
                self.fields[f"{scope}_databases"] = forms.IntegerField(
                    min_value=1, required=False, label="Databases at most"
                )
                self.fields[f"{scope}_gb"] = forms.IntegerField(
                    min_value=1, required=False, label="GB at most"
                )
            self.fields[f"{scope}_roles"] = forms.MultipleChoiceField(
                choices=known, label=f"{word}: signed by", widget=forms.CheckboxSelectMultiple
            )
        for field in self.fields.values():
            if "class" not in field.widget.attrs:
                dress(field.widget)

    @property
    def groups(self) -> list[tuple[str, list[Any], Any]]:
        """Words, limits and signers of each scope."""
        return [
            (
                scope.label,
                [] if scope == Scope.SYSTEM else [self[f"{scope}_{name}"] for name in ("databases", "gb")],
                self[f"{scope}_roles"],
            )
            for scope in SIGNED_SCOPES
        ]

    def rows(self) -> list[dict[str, Any]]:
        """As `approval_policy_propose` takes them."""
        data = self.cleaned_data
        found: list[dict[str, Any]] = [{"scope": Scope.TEST, "databases": None, "bytes": None, "roles": []}]
        for scope in SIGNED_SCOPES:
            size = data.get(f"{scope}_gb")
            found.append(
                {
                    "scope": scope,
                    "databases": data.get(f"{scope}_databases"),
                    "bytes": size * GB if size else None,
                    "roles": data[f"{scope}_roles"],
                }
            )
        return found


def initial_of_approval_policy(rows: Any, approval_hours: int, execution_hours: int) -> dict[str, Any]:
    """From the rows of a policy (restores.selectors.approvals.rows_of)."""
    values: dict[str, Any] = {"approval_hours": approval_hours, "execution_hours": execution_hours}
    for row in rows:
        values[f"{row.scope}_databases"] = row.databases
        values[f"{row.scope}_gb"] = row.size_bytes // GB if row.size_bytes else None
        values[f"{row.scope}_roles"] = list(row.roles)
    return values
