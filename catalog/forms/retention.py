"""What people type about keeping: the date to simulate, holds, reasons for changes."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from catalog.models import Instance
from dataprotect.core import clock, validation
from dataprotect.ops.forms import HouseForm, checked


class SimulateForm(HouseForm):
    """`at` is a day in the reader's zone; its end is simulated, or now for today and when none is given."""

    at = forms.DateField(
        required=False, label="As on the evening of", widget=forms.DateInput(attrs={"type": "date"})
    )

    def instant(self) -> datetime:
        """Never before now: what was is in the audit chain."""
        day = self.cleaned_data.get("at") if self.is_valid() else None
        if day is None:
            return clock.now()
        return max(clock.now(), timezone.make_aware(datetime.combine(day, time(23, 59, 59))))


class HoldForm(HouseForm):
    instance = forms.ModelChoiceField(
        queryset=Instance.objects.none(), to_field_name="name", empty_label="Choose an instance"
    )
    backup = forms.CharField(
        max_length=128, required=False, label="One backup only", validators=[checked(validation.backup_id)],
        help_text="Its ID. Empty: every backup of the instance and all of its log, now and later.",
    )  # fmt: skip
    matter = forms.CharField(
        max_length=150, label="Matter reference", help_text="Such as the number of the case."
    )
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Why it must be kept."
    )
    owner = forms.CharField(
        max_length=150, required=False, help_text="Who answers questions about it. Empty: you."
    )
    until = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Until the end of this day. Empty: until two people agree to lift it.",
    )  # fmt: skip

    def __init__(self, *args: Any, instances: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["instance"].queryset = instances  # type: ignore[attr-defined]

    def until_instant(self) -> datetime | None:
        day = self.cleaned_data["until"]
        return timezone.make_aware(datetime.combine(day, time(23, 59, 59))) if day else None


class ReasonForm(HouseForm):
    """Why: whoever decides reads it, and the audit chain keeps it."""

    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Whoever decides reads it."
    )
