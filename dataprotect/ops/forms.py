"""The form every form of the dashboard is: house style, and one validator each from `core.validation`."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from typing import Any

from django import forms

from dataprotect.core.errors import ForeseenError


def checked(validator: Callable[[str], Any]) -> Callable[[str], None]:
    """A `core.validation` function as a form validator: its sentence becomes the field's error."""

    def check(value: str) -> None:
        try:
            validator(value)
        except ForeseenError as error:
            raise forms.ValidationError(error.message, code=error.code) from error

    return check


class HouseForm(forms.Form):
    """Gives widgets the dashboard's classes and ties every error to its field."""

    required_css_class = "required"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            dress(field.widget)
            label = field.label or name.replace("_", " ").capitalize()
            field.error_messages["required"] = f"{label} is needed."


def dress(widget: forms.Widget) -> None:
    """Add Bootstrap's class for the kind of widget; nothing inline."""
    if isinstance(widget, (forms.CheckboxInput, forms.CheckboxSelectMultiple, forms.RadioSelect)):
        name = "form-check-input"
    elif isinstance(widget, forms.Select):
        name = "form-select"
    else:
        name = "form-control"
    widget.attrs["class"] = f"{widget.attrs.get('class', '')} {name}".strip()


def time_zones() -> list[tuple[str, str]]:
    """Every zone of the time zone database that names a place, UTC first."""
    names = sorted(
        name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/")
    )
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class PreferenceForm(HouseForm):
    """How one person wants to see the dashboard."""

    theme = forms.ChoiceField(
        choices=[("system", "As the system"), ("light", "Light"), ("dark", "Dark")], label="Appearance"
    )
    time_zone = forms.ChoiceField(
        choices=time_zones, label="Time zone", help_text="Times are shown in this zone; exports stay in UTC."
    )


class RaiseForm(HouseForm):
    reason = forms.CharField(
        max_length=500, help_text="What is going wrong, in a few words. Everybody will read it."
    )


class LiftForm(HouseForm):
    root_cause = forms.CharField(
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What happened, why, and why it is safe to go on. It is kept in the audit chain.",
    )
