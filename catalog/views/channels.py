"""Where alerts are sent to: the places, their last messages, and a test message on demand."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from catalog.forms import show_refusal
from catalog.forms.alerts import ChannelForm, initial_of_channel
from catalog.selectors.alerts import channel_list
from dataprotect.core.errors import InvalidInput
from dataprotect.ops.models import AlertChannel
from dataprotect.ops.services.alert_channel import channel_add, channel_remove, channel_test, channel_update
from dataprotect.ops.views.page import Request, action, form_page, page


@page
def channels(request: Request) -> HttpResponse:
    _require(request, "view")
    context = {
        "channels": channel_list(user=request.user),
        "may_add": request.user.has_perm("ops.add_alertchannel"),
        "may_change": request.user.has_perm("ops.change_alertchannel"),
    }
    return render(request, "catalog/channels.html", context)


@form_page
def add(request: Request) -> HttpResponse:
    _require(request, "add")
    form = ChannelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = channel_add(actor=request.user, **form.values())
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"Alerts go to {made.name} now. Send it a test message.")
            return redirect("channels")
    return _form(request, form, {})


@form_page
def edit(request: Request, key: int) -> HttpResponse:
    _require(request, "change")
    channel = _channel(request, key)
    form = ChannelForm(request.POST or None, stored=True, initial=initial_of_channel(channel))
    if request.method == "POST" and form.is_valid():
        try:
            channel_update(actor=request.user, channel=channel, **form.values())
        except InvalidInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"The channel {channel.name} is changed.")
            return redirect("channels")
    return _form(request, form, {"channel": channel})


@action
def test(request: Request, key: int) -> HttpResponse:
    channel = _channel(request, key)
    channel_test(actor=request.user, channel=channel)
    messages.success(request, f"{channel.name} took the test message.")
    return redirect("channels")


@action
def remove(request: Request, key: int) -> HttpResponse:
    channel = _channel(request, key)
    channel_remove(actor=request.user, channel=channel)
    messages.success(request, f"No alert goes to {channel.name} any more.")
    return redirect("channels")


def _channel(request: Request, key: int) -> AlertChannel:
    found = channel_list(user=request.user).filter(pk=key).first()
    if found is None:
        raise Http404("There is no such channel, or you may not see it.")
    return found


def _require(request: Request, verb: str) -> None:
    if not request.user.has_perm(f"ops.{verb}_alertchannel"):
        raise PermissionDenied


def _form(request: Request, form: ChannelForm, context: dict[str, Any]) -> HttpResponse:
    context |= {"form": form, "may_remove": request.user.has_perm("ops.delete_alertchannel")}
    return render(request, "catalog/channel_form.html", context, status=400 if form.errors else 200)
