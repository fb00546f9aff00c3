"""/metrics, for Prometheus."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from catalog.exposition import exposition
from catalog.selectors.metrics import numbers
from dataprotect.ops.monitor import may_monitor


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """401 without the token and from elsewhere than METRICS_NETWORKS."""
    if not may_monitor(request):
        refusal = HttpResponse("A bearer token is needed.\n", status=401, content_type="text/plain")
        refusal["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refusal
    return HttpResponse(exposition(numbers()), content_type=CONTENT_TYPE_LATEST)
