"""What people type about alerts, and about the places alerts are sent to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User

from catalog.rules import RULES
from dataprotect.core.secrets import Secret
from dataprotect.ops.alert_states import Severity
from dataprotect.ops.forms import HouseForm
from dataprotect.ops.models import AlertChannel

HOURS = ((1, "1 hour"), (4, "4 hours"), (12, "12 hours"), (24, "1 day"), (72, "3 days"), (168, "1 week"))


class AcknowledgeForm(HouseForm):
    note = forms.CharField(
        max_length=500, required=False, help_text="What you do about it, for whoever looks next."
    )


class SnoozeForm(HouseForm):
    hours = forms.TypedChoiceField(choices=HOURS, coerce=int, label="Be silent for", initial=4)
    note = forms.CharField(max_length=500, required=False, label="Why")

    def span(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["hours"])


class CloseForm(HouseForm):
    reason = forms.CharField(max_length=500, help_text="What was done, or why it is no trouble.")


class OwnerForm(HouseForm):
    owner = forms.ModelChoiceField(
        queryset=User.objects.none(), required=False, empty_label="Nobody", label="Owner"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True).order_by("username")
        self.fields["owner"].queryset = people  # type: ignore[attr-defined]


class ChannelForm(HouseForm):
    """Adding and editing. The address is write-only: empty keeps the stored one."""

    name = forms.CharField(max_length=63, help_text="As it is called in lists, such as on-call.")
    url = forms.CharField(
        max_length=4000, label="Address", strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="An Apprise address: slack://…, mailtos://…, workflows://… (Teams), pagerduty://…, "
        "jsons://host/path. Stored encrypted, never shown again.",
    )  # fmt: skip
    minimum_severity = forms.ChoiceField(
        choices=Severity.choices, initial=Severity.WARNING, label="From severity"
    )
    rules = forms.MultipleChoiceField(
        choices=[(code, rule.words) for code, rule in RULES.items()], required=False,
        label="Only these rules", widget=forms.CheckboxSelectMultiple, help_text="None chosen: every rule.",
    )  # fmt: skip
    enabled = forms.BooleanField(required=False, initial=True, label="Messages are sent")

    def __init__(self, *args: Any, stored: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].required = not stored

    def values(self) -> dict[str, Any]:
        """What the services take: the address as a Secret, or None when none was typed."""
        typed = dict(self.cleaned_data)
        url = typed.pop("url")
        return {**typed, "url": Secret(url) if url else None}


def initial_of_channel(channel: AlertChannel) -> dict[str, Any]:
    """The channel as the form shows it; never the address."""
    return {
        "name": channel.name,
        "minimum_severity": channel.minimum_severity,
        "rules": channel.rules,
        "enabled": channel.enabled,
    }
