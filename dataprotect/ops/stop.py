"""The emergency stop: a file or a switch; either stops.

The file is for whoever has a shell and no time. Once seen it latches: the switch is raised too, so that
removing the file is not enough to go on.
"""

from __future__ import annotations

from django.conf import settings

from dataprotect.core import stop_file
from dataprotect.ops.models import StopSwitch


def file_reason() -> str | None:
    """Why the file says to stop, or None when there is no file."""
    return stop_file.reason(settings.EMERGENCY_STOP_FILE)


def switch_reason() -> str | None:
    """Why the active switch says to stop, or None."""
    switch = StopSwitch.objects.filter(active=True).first()
    return None if switch is None else f"raised by {switch.raised_by}: {switch.reason}"


def stop_reason() -> str | None:
    """Why work must stop, or None."""
    return file_reason() or switch_reason()


def refuse_while_stopped() -> None:
    """Raises EmergencyStop when the stop is active."""
    if reason := stop_reason():
        raise stop_file.stopped(reason)
