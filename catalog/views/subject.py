"""From how jobs and audit events name a thing (`instance:12`) to its page."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from catalog.selectors import instances_visible, repository_list
from dataprotect.ops.views.page import Request, page


@page
def subject(request: Request, kind: str, key: str) -> HttpResponse:
    """Redirects; what does not exist and what may not be seen are both not found."""
    if kind == "instance" and key.isdecimal():
        found = instances_visible(user=request.user).filter(pk=int(key)).first()
        if found is not None:
            return redirect("instance", name=found.name)
    if kind == "repository" and key.isdecimal():
        place = repository_list(user=request.user).filter(pk=int(key)).first()
        if place is not None:
            return redirect("repository", name=place.name)
    if kind in {"backup", "job", "verification"}:
        return redirect(f"/{kind}s/{key}/")
    raise Http404
