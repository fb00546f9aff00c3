"""What was typed into a form whose POST first took a fresh proof: it stands in the form again afterwards.

Kept in the session, for one form at a time, a few minutes. Only the fields named here, so that no password is
ever among them. Nothing is sent by itself: the person sees the words and presses again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from dataprotect.core import clock

FIELDS = ("reason", "person", "role", "profile")
ENDINGS = ("_hours", "_databases", "_gb", "_roles")
"""Of the fields of an approval policy."""
_KEY = "kept_words"
_LONGEST = 2000
_STAND_FOR = timedelta(minutes=15)


def words_keep(request: HttpRequest) -> None:
    """The fields of this POST, in place of what another form left."""
    words = {name: _kept(request, name) for name in request.POST if name in FIELDS or name.endswith(ENDINGS)}
    request.session[_KEY] = {"path": request.path, "at": clock.now().isoformat(), "words": words}


def words_kept(request: HttpRequest, path: str = "") -> dict[str, Any]:
    """What was typed into the form that is sent to `path` (else to this page); empty when nothing was."""
    kept = request.session.get(_KEY)
    if not kept or kept["path"] != (path or request.path):
        return {}
    age = clock.now() - datetime.fromisoformat(kept["at"])
    return dict(kept["words"]) if age < _STAND_FOR else {}


def words_forget(request: HttpRequest) -> None:
    """The form was sent, and answered."""
    if words_kept(request):
        del request.session[_KEY]


def _kept(request: HttpRequest, name: str) -> str | list[str]:
    """As a form takes it for its initial value: of a field of roles a list."""
    if name.endswith("_roles"):
        return [value[:_LONGEST] for value in request.POST.getlist(name)][:100]
    return request.POST[name][:_LONGEST]
