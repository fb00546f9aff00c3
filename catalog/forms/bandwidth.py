"""A limit of bytes per second as people type it: in MiB, rounded. One not touched stays to the byte."""

from __future__ import annotations

from typing import Any

from django import forms

_MIB = 1 << 20
_TYPED = "bandwidth_mib"


def mib_of(limit: int | None) -> float | None:
    """What the field begins with."""
    return round(limit / _MIB, 2) if limit else None


def with_limit(form: forms.BaseForm, typed: dict[str, Any]) -> dict[str, Any]:
    """`typed` with `bandwidth_limit` in bytes in place of the field, where it was changed."""
    others = {name: value for name, value in typed.items() if name != _TYPED}
    if _TYPED not in form.changed_data:
        return others
    return others | {"bandwidth_limit": int(typed[_TYPED] * _MIB) if typed[_TYPED] else None}
