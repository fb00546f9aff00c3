"""What people type about logs."""

from __future__ import annotations

from django import forms

from dataprotect.ops.forms import HouseForm


class AcknowledgeGapForm(HouseForm):
    note = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What happened, and what was done: such as that a new full backup was taken.",
    )  # fmt: skip
