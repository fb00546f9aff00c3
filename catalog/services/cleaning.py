"""Saving a row only when it is whole, with a refusal a person can read."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from dataprotect.core.errors import InvalidInput
from dataprotect.core.validation import shown


def save_clean(row: models.Model) -> None:
    """`full_clean`, then save. Raises InvalidInput naming the first field that is wrong."""
    check_clean(row)
    row.save()


def check_clean(row: models.Model) -> None:
    """Only the first half, before something that takes long."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise _refusal(row, error) from None


def _refusal(row: models.Model, error: ValidationError) -> InvalidInput:
    field, problems = next(iter(error.error_dict.items()))
    if any(problem.code == "unique" for problem in problems):
        kind, value = row._meta.verbose_name, shown(str(getattr(row, field, "")))
        article = "an" if str(kind)[:1] in "aeiou" else "a"
        return InvalidInput(field, f"There is {article} {kind} with this {_words(field)} already: {value}.")
    return InvalidInput(field, f"{_words(field).capitalize()}: {problems[0].messages[0]}")


def _words(field: str) -> str:
    return field.replace("_", " ").strip()
