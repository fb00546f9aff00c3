"""The hash that approvals sign: SHA-256 of the plan's canonical JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from dataprotect.ops.chain import canonical


def plan_hash(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(plan).encode()).hexdigest()
