"""Identifiers that are safe as a path, a URL part and a row."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from dataprotect.core.clock import compact

BACKUP_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def new_backup_id(instance_name: str, kind: str, started: datetime) -> str:
    """`orders-20261122T150758Z-full-7f3a`: name, start, kind and two random bytes."""
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", instance_name)[:80]
    return f"{name}-{compact(started)}-{kind}-{secrets.token_hex(2)}"
