"""The words for what is brought back, and which may follow which.

Clone::

    ready ──► dropping ──► dropped
      │          ▲
      └─► lost ──┘         (its server or its files are gone, and nobody dropped it)

Restore request::

    draft ──► awaiting ──► approved ──► running ◄──► validating ──► watching ──► completed
      ▲          │             │           ▲  └──────────┬─────────────┘ │           │
      ├──────────┴─────────────┤           └─────────────┼───────────────┘           │
      │ edited: approvals void │                         ├──► stopped ──┐            │
      │                        │                         ├──► failed ───┼──► rolled_back
      └► cancelled             └► expired | cancelled    └──► rolled_back◄────────────┘
         rejected | expired  (awaiting)

    A run goes back to `running` for its next database. What ended as completed, stopped or failed may still
    be rolled back as long as its rollback point stands; nothing else follows an end.

Step of a run::

    pending ──► running ──► done | failed | skipped
                   └──► running          (another worker took it over, at the last safe point)

Rollback point::

    making ──► ready ──► rolling_back ──► used ──► gone
       │         │          │     └──► failed ──► rolling_back
       │         │          └──► rolling_back            (another worker took it over)
       ├► rolling_back      (the worker died between the swap and its row)
       └► gone   └──► gone ◄── failed                    (its deadline came, or nothing was changed)
"""

from __future__ import annotations

from django.db.models import TextChoices


class CloneState(TextChoices):
    READY = "ready", "Ready"
    LOST = "lost", "Lost"
    DROPPING = "dropping", "Being dropped"
    DROPPED = "dropped", "Dropped"


CLONE_TRANSITIONS: dict[CloneState, frozenset[CloneState]] = {
    CloneState.READY: frozenset({CloneState.DROPPING, CloneState.LOST}),
    CloneState.LOST: frozenset({CloneState.DROPPING}),
    CloneState.DROPPING: frozenset({CloneState.DROPPED}),
    CloneState.DROPPED: frozenset(),
}
ALIVE = frozenset({CloneState.READY, CloneState.LOST, CloneState.DROPPING})


class Scope(TextChoices):
    """What a restore touches; the order is that of the blast radius."""

    TEST = "test", "Test restore on an isolated clone"
    TABLE = "table", "Tables of one database"
    DATABASE = "database", "Single database"
    DATABASES = "databases", "Multi-database"
    SYSTEM = "system", "Full system"


class TableMode(TextChoices):
    BESIDE = "beside", "Load beside the live table"
    MERGE = "merge", "Merge missing rows"
    ROWS = "rows", "Restore chosen rows"
    REPLACE = "replace", "Replace the live table"


class RestoreState(TextChoices):
    DRAFT = "draft", "Draft"
    AWAITING = "awaiting", "Awaiting approval"
    APPROVED = "approved", "Approved"
    RUNNING = "running", "Running"
    VALIDATING = "validating", "Validating"
    WATCHING = "watching", "Watching"
    COMPLETED = "completed", "Completed"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    CANCELLED = "cancelled", "Cancelled"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"
    ROLLED_BACK = "rolled_back", "Rolled back"


_ENDS = frozenset({RestoreState.STOPPED, RestoreState.FAILED, RestoreState.ROLLED_BACK})
RESTORE_TRANSITIONS: dict[RestoreState, frozenset[RestoreState]] = {
    RestoreState.DRAFT: frozenset(
        {RestoreState.AWAITING, RestoreState.APPROVED, RestoreState.CANCELLED}
    ),  # approved at once: a test restore, which everybody approves for oneself, or a broken glass
    RestoreState.AWAITING: frozenset(
        {
            RestoreState.DRAFT, RestoreState.APPROVED, RestoreState.REJECTED, RestoreState.EXPIRED,
            RestoreState.CANCELLED,
        }
    ),
    RestoreState.APPROVED: frozenset(
        {RestoreState.DRAFT, RestoreState.RUNNING, RestoreState.EXPIRED, RestoreState.CANCELLED}
    ),
    RestoreState.RUNNING: _ENDS | {RestoreState.VALIDATING, RestoreState.WATCHING, RestoreState.COMPLETED},
    RestoreState.VALIDATING: _ENDS | {RestoreState.RUNNING, RestoreState.WATCHING, RestoreState.COMPLETED},
    RestoreState.WATCHING: _ENDS | {RestoreState.RUNNING, RestoreState.COMPLETED},
    RestoreState.COMPLETED: frozenset({RestoreState.ROLLED_BACK}),
    RestoreState.STOPPED: frozenset({RestoreState.ROLLED_BACK}),
    RestoreState.FAILED: frozenset({RestoreState.ROLLED_BACK}),
    RestoreState.REJECTED: frozenset(),
    RestoreState.EXPIRED: frozenset(),
    RestoreState.CANCELLED: frozenset(),
    RestoreState.ROLLED_BACK: frozenset(),
}  # fmt: skip
OPEN = frozenset({RestoreState.DRAFT, RestoreState.AWAITING, RestoreState.APPROVED})
"""Nothing was touched yet."""
ACTIVE = frozenset({RestoreState.RUNNING, RestoreState.VALIDATING, RestoreState.WATCHING})
"""A worker has it, or had it and another one will."""


ENDED = frozenset(RestoreState) - OPEN - ACTIVE


class Decision(TextChoices):
    APPROVE = "approve", "Approved"
    DENY = "deny", "Denied"


class PolicyState(TextChoices):
    PROPOSED = "proposed", "Proposed"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"
    REJECTED = "rejected", "Rejected"


class SafeguardState(TextChoices):
    PASSED = "passed", "Passed"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped, because"


class StepState(TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"


class RollbackKind(TextChoices):
    RENAMED_DATABASE = "renamed_database", "The database as it was, kept under another name"
    TABLE_UNDO = "table_undo", "What the rescue changed, kept beside the tables"
    KEPT_DIRECTORY = "kept_directory", "The data directory as it was, kept beside the new one"


class RollbackState(TextChoices):
    MAKING = "making", "Being made"
    READY = "ready", "Ready"
    ROLLING_BACK = "rolling_back", "Rolling back"
    USED = "used", "Rolled back"
    FAILED = "failed", "Rolling back failed"
    GONE = "gone", "Gone"


ROLLBACK_TRANSITIONS: dict[RollbackState, frozenset[RollbackState]] = {
    RollbackState.MAKING: frozenset({RollbackState.READY, RollbackState.ROLLING_BACK, RollbackState.GONE}),
    RollbackState.READY: frozenset({RollbackState.ROLLING_BACK, RollbackState.GONE}),
    RollbackState.ROLLING_BACK: frozenset(
        {RollbackState.ROLLING_BACK, RollbackState.USED, RollbackState.FAILED}
    ),
    RollbackState.FAILED: frozenset({RollbackState.ROLLING_BACK, RollbackState.GONE}),
    RollbackState.USED: frozenset({RollbackState.GONE}),
    RollbackState.GONE: frozenset(),
}


class SmokeTestKind(TextChoices):
    SQL = "sql", "SQL query"
    HTTP = "http", "HTTP address"
