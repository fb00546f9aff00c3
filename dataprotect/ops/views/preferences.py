"""The person's own settings: theme and time zone, kept on the server."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from dataprotect.ops.forms import PreferenceForm
from dataprotect.ops.models import Preference


@login_required
@require_http_methods(["GET", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    stored = Preference.objects.filter(user_id=request.user.pk).first() or Preference()
    initial = {"theme": stored.theme, "time_zone": stored.time_zone or settings.TIME_ZONE}
    form = PreferenceForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        Preference.objects.update_or_create(user_id=request.user.pk, defaults=form.cleaned_data)
        messages.success(request, "Your preferences are saved.")
        return redirect("preferences")
    return render(request, "ops/preferences.html", {"form": form}, status=400 if form.errors else 200)
