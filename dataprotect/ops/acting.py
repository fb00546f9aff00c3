"""Whose doing a row's change is: a signal that records it is told what changed, but not by whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth.base_user import AbstractBaseUser

_actor: ContextVar[AbstractBaseUser | str | None] = ContextVar("acting", default=None)


@contextmanager
def acting(actor: AbstractBaseUser | str) -> Iterator[None]:
    """Whatever changes inside is `actor`'s doing."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def who_acts() -> AbstractBaseUser | str | None:
    """The actor of the `acting` block around, or None: some other door."""
    return _actor.get()
