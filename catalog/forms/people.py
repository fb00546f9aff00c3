"""Giving a role."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User

from catalog import roles
from dataprotect.ops.forms import HouseForm


class RoleForm(HouseForm):
    person = forms.ModelChoiceField(User.objects.none(), to_field_name="username", empty_label=None)
    role = forms.ChoiceField(choices=[(name, name) for name in roles.ROLES])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = self.fields["person"]
        assert isinstance(people, forms.ModelChoiceField)  # noqa: S101
        people.queryset = User.objects.filter(is_active=True).order_by("username")
