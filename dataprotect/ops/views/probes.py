"""/livez and /readyz, for whatever keeps processes running and sends them visitors."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dataprotect import __version__
from dataprotect.ops.monitor import may_monitor
from dataprotect.ops.readiness import readiness


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """This process answers. Asks nothing and nobody: a database that is down is no reason to restart it."""
    return JsonResponse({"alive": True, "version": __version__})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 or 503; who asks from outside gets no reasons."""
    found, told = readiness(), may_monitor(request)
    checks = {one.name: {"ok": one.ok, **({"reason": one.problem} if told else {})} for one in found}
    ready = all(one.ok for one in found)
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)
