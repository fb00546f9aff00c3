"""What people type about policies. Times of day and cron expressions are in the policy's own zone."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from catalog.forms.bandwidth import mib_of, with_limit
from catalog.models import Policy, Tier
from dataprotect.ops.forms import HouseForm, time_zones

CRONS = (
    ("full_cron", "Full", "Everything."),
    ("differential_cron", "Differential", "What changed since the last full."),
    ("incremental_cron", "Incremental", "What changed since the last backup of any kind."),
    ("restore_test_cron", "Restore test", "Brings the newest backup up and compares it."),
    ("pitr_test_cron", "Test of a random instant", "Needs the log to be streamed."),
    ("audit_cron", "Retention audit", "Looks at all instances at once."),
)
KEEPS = (
    ("keep_daily_days", "Daily, for days"),
    ("keep_weekly_days", "Weekly, for days"),
    ("keep_monthly_days", "Monthly, for days"),
    ("keep_yearly_days", "Annual, for days"),
    ("minimum_restore_tested", "Restore-tested, at least"),
    ("log_window_days", "Any instant of the last days"),
)
DAYS = (
    ("1", "Monday"), ("2", "Tuesday"), ("3", "Wednesday"), ("4", "Thursday"), ("5", "Friday"),
    ("6", "Saturday"), ("7", "Sunday"),
)  # fmt: skip


class CopyForm(HouseForm):
    """A new policy begins as a copy: of a preset, or of one that works."""

    source = forms.ModelChoiceField(
        queryset=Policy.objects.none(), to_field_name="name", empty_label=None, label="Begin with"
    )
    name = forms.CharField(max_length=63, label="Name of the new policy")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = Policy.objects.order_by("name")  # type: ignore[attr-defined]


class PolicyForm(HouseForm):
    """Everything of a policy. The groups of fields are named by `schedule`, `gentle` and `keeping`."""

    name = forms.CharField(max_length=63)
    description = forms.CharField(max_length=500, required=False)
    tier = forms.ModelChoiceField(queryset=Tier.objects.all(), required=False, empty_label="Any")
    timezone = forms.ChoiceField(choices=time_zones, label="Time zone")
    stream_logs = forms.BooleanField(
        required=False, label="Stream the log, so that any instant can be restored"
    )
    backup_window_start = forms.TimeField(
        required=False,
        label="Backups begin after",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    backup_window_end = forms.TimeField(
        required=False, label="and before", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    late_after_minutes = forms.IntegerField(label="Overdue after minutes", min_value=1)
    max_concurrent = forms.IntegerField(label="At once, per instance", min_value=1)
    bandwidth_mib = forms.FloatField(
        required=False, label="At most MiB/s", min_value=0.07, help_text="Empty: as fast as it goes."
    )
    reason = forms.CharField(
        max_length=500, required=False, label="Why, if anything is kept for a shorter time",
        help_text="That takes a second person, who reads it.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label, words in CRONS:
            self.fields[name] = forms.CharField(max_length=100, required=False, label=label, help_text=words)
            self.fields[name].widget.attrs |= {
                "class": "form-control mono",
                "autocomplete": "off",
                "aria-describedby": f"id_{name}_helptext",
            }
        for name, label in KEEPS:
            self.fields[name] = forms.IntegerField(label=label, min_value=0)
            self.fields[name].widget.attrs["class"] = "form-control"
            self.fields[name].error_messages["required"] = f"{label} is needed."

    @property
    def schedule(self) -> list[Any]:
        return [self[name] for name, _, _ in CRONS]

    @property
    def keeping(self) -> list[Any]:
        return [self[name] for name, _ in KEEPS]

    def values(self) -> dict[str, Any]:
        """What the services take, without the reason."""
        typed = {name: value for name, value in self.cleaned_data.items() if name != "reason"}
        return with_limit(self, typed)


def initial_of_policy(policy: Policy) -> dict[str, Any]:
    names = [name for name, _, _ in CRONS] + [name for name, _ in KEEPS] + list(PolicyForm.base_fields)
    found = {name: getattr(policy, name) for name in names if hasattr(policy, name)}
    return found | {"bandwidth_mib": mib_of(policy.bandwidth_limit)}


class BlackoutForm(HouseForm):
    reason = forms.CharField(max_length=200, help_text="Why nothing begins then.")
    days = forms.MultipleChoiceField(
        choices=DAYS, required=False, label="On these days", widget=forms.CheckboxSelectMultiple
    )
    start_time = forms.TimeField(
        required=False, label="From", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    end_time = forms.TimeField(
        required=False, label="Until", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    starts_at = forms.DateTimeField(
        required=False, label="Begins", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    ends_at = forms.DateTimeField(
        required=False, label="Ends", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def values(self, zone: str) -> dict[str, Any]:
        """All times are typed in `zone`, that of the policy. The service refuses both pairs, and neither."""
        typed = dict(self.cleaned_data)
        once = {name: typed.pop(name) for name in ("starts_at", "ends_at")}
        there = {name: at and at.replace(tzinfo=ZoneInfo(zone)) for name, at in once.items()}
        return {"weekdays": ",".join(typed.pop("days")), **typed, **there}


class AssignForm(HouseForm):
    policy = forms.ModelChoiceField(
        queryset=Policy.objects.none(), required=False, to_field_name="name",
        empty_label="None: nothing runs by itself, everything stays",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=500, required=False, label="Why, if anything is kept for a shorter time",
        help_text="That takes a second person, who reads it.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["policy"].queryset = Policy.objects.order_by("name")  # type: ignore[attr-defined]
