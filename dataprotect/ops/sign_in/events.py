"""From allauth's signals to the audit chain. Connected when the app is ready."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from dataprotect.ops.acting import who_acts
from dataprotect.ops.services.audit import Actor
from dataprotect.ops.services.factor_record import factor_changed
from dataprotect.ops.services.sign_in_record import sign_in_failed, sign_in_recorded


def connect() -> None:
    """Idempotent."""
    for signal, receiver in (
        (account.user_logged_in, _signed_in),
        (account.password_changed, _password_changed),
        (account.authentication_step_completed, _step_completed),
        (factors.authentication_failed, _second_factor_failed),
    ):
        signal.connect(receiver, dispatch_uid=f"ops.{receiver.__name__}")
    post_save.connect(_factor_saved, sender=Authenticator, dispatch_uid="ops._factor_saved")
    post_delete.connect(_factor_deleted, sender=Authenticator, dispatch_uid="ops._factor_deleted")


def _signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    ways = [record.get("type") or record["method"] for record in get_authentication_records(request, user)]
    data = {"with": ways, "address": get_adapter().get_client_ip(request)}
    sign_in_recorded(user=user, verb="user.signed_in", data=data)


def _password_changed(user: User, **kwargs: Any) -> None:
    sign_in_recorded(user=user, verb="user.password_changed", data={"name": user.get_username()})


def _step_completed(user: User, method: str, **kwargs: Any) -> None:
    if kwargs.get("reauthenticated"):
        sign_in_recorded(user=user, verb="user.reauthenticated", data={"with": kwargs.get("type") or method})


def _second_factor_failed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    sign_in_failed(
        name=user.get_username(), address=get_adapter().get_client_ip(request), step="second factor"
    )


def _factor_saved(instance: Authenticator, created: bool, **kwargs: Any) -> None:
    if created:
        factor_changed(actor=_actor(), factor=instance, verb="user.second_factor_added")


def _factor_deleted(instance: Authenticator, **kwargs: Any) -> None:
    factor_changed(actor=_actor(), factor=instance, verb="user.second_factor_removed")


def _actor() -> Actor:
    """Whoever said so, else whoever is signed in, else nobody we know."""
    request = context.request
    signed_in = request.user if request is not None and request.user.is_authenticated else "unknown"
    return who_acts() or signed_in
