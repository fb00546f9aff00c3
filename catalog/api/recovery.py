"""/api/v1/instances/{name}/recovery-windows"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from catalog.api.auth import asker
from catalog.selectors import instance_get
from catalog.selectors.recovery import recovery_timeline
from dataprotect.core import clock
from dataprotect.engine.timeline_show import shown_gap, shown_window

router = Router(tags=["recovery"])


@router.get("/{name}/recovery-windows")
def windows(request: HttpRequest, name: str) -> dict[str, Any]:
    """The same as the command prints: to which instants it can be restored, and why not to others."""
    found = recovery_timeline(instance=instance_get(user=asker(request), name=name))
    return {
        "instance": name,
        "newest": clock.iso(found.newest_at) if found.newest_at else None,
        "windows": [shown_window(window) for window in found.windows],
        "gaps": [shown_gap(gap) for gap in found.gaps],
    }
