"""The dated proofs: every verification, and one with its checks."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render

from catalog.filters import VerificationFilter
from catalog.models import Verification
from catalog.selectors import verifications_visible
from catalog.states import VerificationLevel
from catalog.tables import VerificationTable
from dataprotect.ops.views.listing import listing
from dataprotect.ops.views.page import Request, page


@page
def verifications(request: Request) -> HttpResponse:
    rows = verifications_visible(user=request.user).select_related("backup__instance")
    context = listing(request, rows, VerificationFilter, VerificationTable, "Verification")
    context |= {
        "title": "Verification",
        "lead": "Every time a backup was read back, decoded or restored, with what was found.",
        "nothing_matches": "No verification matches this filter.",
    }
    return render(request, "catalog/verifications.html", context)


@page
def verification(request: Request, key: int) -> HttpResponse:
    rows = verifications_visible(user=request.user).select_related("backup__instance__tier")
    found = rows.filter(pk=key).first()
    if found is None:
        raise Http404("There is no such verification, or you may not see it.")
    return render(request, "catalog/verification.html", {"verification": found, "proof": _proof(found)})


MEANINGS = {
    VerificationLevel.CHECKSUM: "Every stored object was read back and its SHA-256 compared with the seal.",
    VerificationLevel.DECODE: "Every frame was decrypted and decompressed, and every file's digest compared.",
    VerificationLevel.RESTORE: "An isolated clone was brought up and compared with the source's fingerprint.",
}


def _proof(verification: Verification) -> dict[str, Any]:
    level = VerificationLevel(verification.level)
    failed = len(verification.failed_checks)
    if verification.passed:
        return {
            "tone": "ok",
            "icon": "tested",
            "sentence": f"{level.label} passed.",
            "detail": MEANINGS[level],
        }
    sentence = f"{level.label} failed: {failed} of {len(verification.checks)} checks did not hold."
    return {"tone": "bad", "icon": "bad", "sentence": sentence, "detail": MEANINGS[level]}
