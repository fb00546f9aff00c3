"""Rows of the app `restores`."""

from restores.models.approval import Approval, ApprovalPolicy, BreakGlassUse
from restores.models.clone import Clone, RestoredFolder
from restores.models.instance import RestoreSettings, SmokeTest
from restores.models.request import RestoreRequest, Safeguard
from restores.models.run import RestoreRun, RestoreStep, RollbackPoint

__all__ = [
    "Approval",
    "ApprovalPolicy",
    "BreakGlassUse",
    "Clone",
    "RestoreRequest",
    "RestoreRun",
    "RestoreSettings",
    "RestoreStep",
    "RestoredFolder",
    "RollbackPoint",
    "Safeguard",
    "SmokeTest",
]
