"""The person's own settings: theme and time zone, kept on the server."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from dataprotect.ops.forms import PreferenceForm
from dataprotect.ops.models import Preference
from dataprotect.ops.views.page import Request, form_page


@form_page
def preferences(request: Request) -> HttpResponse:
    stored = request.preference
    initial = {"theme": stored.theme, "time_zone": stored.time_zone or settings.TIME_ZONE}
    form = PreferenceForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        Preference.objects.update_or_create(user_id=request.user.pk, defaults=form.cleaned_data)
        messages.success(request, "Your preferences are saved.")
        return redirect("preferences")
    return render(request, "ops/preferences.html", {"form": form}, status=400 if form.errors else 200)
