"""The operating profile: asked once at set-up, changed seldom, never loosened at once."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from dataprotect.ops.forms import HouseForm
from dataprotect.ops.operating_profile import WORDS, Demand, OperatingProfile, safeguards_of
from dataprotect.ops.selectors import operating_profile, profile_chosen
from dataprotect.ops.services.profile import profile_choose
from dataprotect.ops.step_up import fresh_at
from dataprotect.ops.views.kept_words import words_kept
from dataprotect.ops.views.page import Request, form_page

CHOICES = {
    OperatingProfile.PRODUCTION: "Production: others depend on these databases",
    OperatingProfile.HOMELAB: "Homelab: real data, few people",
    OperatingProfile.SANDBOX: "Sandbox: to try things out, nothing here is missed",
}


class ProfileForm(HouseForm):
    profile = forms.ChoiceField(
        choices=[(str(value), words) for value, words in CHOICES.items()],
        widget=forms.RadioSelect,
        label="What is this installation for?",
    )


@form_page
def profile(request: Request) -> HttpResponse:
    """Everybody reads what is demanded; who may choose sees the question."""
    may = request.user.has_perm("ops.choose_profile")
    if request.method == "POST" and not may:
        raise PermissionDenied
    chosen = profile_chosen()
    initial = {"profile": chosen.profile if chosen else None} | words_kept(request)
    form = ProfileForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        return _chosen(request, form.cleaned_data["profile"])
    stands = operating_profile()
    context = {"form": form if may else None, "chosen": chosen, "stands": stands, "demands": _table()}
    return render(request, "ops/profile.html", context, status=400 if form.errors else 200)


def _chosen(request: Request, name: str) -> HttpResponse:
    profile_choose(actor=request.user, profile=name, fresh_at=fresh_at(request))
    stands = operating_profile()
    later = "" if stands == name else f" Until others had a day to see it, {stands} stands."
    messages.success(request, f"This installation is run as {name}.{later}")
    return redirect("profile")


def _table() -> list[tuple[str, list[bool]]]:
    """Each safeguard and whether each profile requires it."""
    return [
        (words, [safeguards_of(each)[item] == Demand.REQUIRED for each in OperatingProfile])
        for item, words in WORDS.items()
    ]
