"""The words the catalog uses for a state, and which may follow which.

Backup::

    stored ──► checked ──► restore_tested
       │          │              │
       └──────────┴──────────────┴──► damaged ──► checked | restore_tested   (only by a later, deeper proof)
       any ──► missing ──► stored                 (its seal is gone, or was found again)
       any ──► expiring ──► the state before      (tombstone: it goes after the grace time, unless spared)
                  └──► deleting ──► deleted       (its objects go; the row stays as evidence)

Change request::

    awaiting ──► executed | rejected | withdrawn | lapsed | void

Collector of an instance's log::

    off ──► starting ──► streaming ──► waiting ──► starting   (a failure, then a longer and longer pause)
                │            └──► off                         (switched off: its slot is dropped)
                └──► refused ──► starting                     (another cluster answers; asked again rarely)

Repository::

    new ──► ready ◄──► unreachable

Scheduled run::

    waiting ──► started ──► succeeded | failed
       └──► covered        (a bigger backup of the same minute, or a later occurrence, does its work)
       └──► refused        (it could not be started; the note says why)
"""

from __future__ import annotations

from django.db.models import TextChoices


class Engine(TextChoices):
    POSTGRESQL = "postgresql", "PostgreSQL"


class Environment(TextChoices):
    PRODUCTION = "production", "Production"
    STAGING = "staging", "Staging"
    DEVELOPMENT = "development", "Development"
    SANDBOX = "sandbox", "Sandbox"


class GrantDoor(TextChoices):
    """Where a role came from: somebody signed in, a shell that could be anybody's, or no door of ours."""

    PERSON = "person", "Given in the dashboard"
    TERMINAL = "terminal", "Given at the terminal"
    UNKNOWN = "unknown", "Nobody said who gave it"


class TlsMode(TextChoices):
    DISABLE = "disable", "Never encrypt"
    PREFER = "prefer", "Encrypt when the server can"
    REQUIRE = "require", "Always encrypt, do not check the certificate"
    VERIFY_CA = "verify-ca", "Encrypt, check who issued the certificate"
    VERIFY_FULL = "verify-full", "Encrypt, check the issuer and the host name"


class BackupType(TextChoices):
    FULL = "full", "Full"
    DIFFERENTIAL = "differential", "Differential"
    INCREMENTAL = "incremental", "Incremental"


class BackupState(TextChoices):
    STORED = "stored", "Stored"
    CHECKED = "checked", "Checked"
    RESTORE_TESTED = "restore_tested", "Restore-tested"
    DAMAGED = "damaged", "Damaged"
    MISSING = "missing", "Missing"
    EXPIRING = "expiring", "Expiring"
    DELETING = "deleting", "Being deleted"
    DELETED = "deleted", "Deleted"


class VerificationLevel(TextChoices):
    CHECKSUM = "checksum", "Checksum"
    DECODE = "decode", "Decode"
    RESTORE = "restore", "Restore test"


class RepositoryState(TextChoices):
    NEW = "new", "Not checked yet"
    READY = "ready", "Ready"
    UNREACHABLE = "unreachable", "Unreachable"


class KeyKind(TextChoices):
    LOCAL = "local", "Key file"
    AWS_KMS = "aws_kms", "AWS KMS"
    VAULT = "vault", "Vault transit"


class ChangeKind(TextChoices):
    DELETE_BACKUP = "delete_backup", "Delete a backup"
    SHORTEN_RETENTION = "shorten_retention", "Keep backups for a shorter time"
    LIFT_HOLD = "lift_hold", "Lift a legal hold"


class ChangeState(TextChoices):
    AWAITING = "awaiting", "Awaiting approval"
    EXECUTED = "executed", "Approved and done"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    LAPSED = "lapsed", "Lapsed"
    VOID = "void", "Void: what was asked for has changed"


class ExpiryState(TextChoices):
    WAITING = "waiting", "Waiting for the end of its grace time"
    SPARED = "spared", "Spared"
    DELETING = "deleting", "Being deleted"
    DELETED = "deleted", "Deleted"


class CollectorState(TextChoices):
    OFF = "off", "Off"
    STARTING = "starting", "Starting"
    STREAMING = "streaming", "Streaming"
    WAITING = "waiting", "Waiting before it tries again"
    REFUSED = "refused", "Refused: a person has to look"


class RunKind(TextChoices):
    FULL = "full", "Full backup"
    DIFFERENTIAL = "differential", "Differential backup"
    INCREMENTAL = "incremental", "Incremental backup"
    RESTORE_TEST = "restore_test", "Restore test"
    PITR_TEST = "pitr_test", "Test of a random instant"
    AUDIT = "audit", "Retention audit"
    SCRUB = "scrub", "Rereading of a repository"


class RunState(TextChoices):
    WAITING = "waiting", "Waiting"
    STARTED = "started", "Started"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    COVERED = "covered", "Covered by another"
    REFUSED = "refused", "Could not be started"


GOOD_BACKUP = frozenset({BackupState.CHECKED, BackupState.RESTORE_TESTED})
"""A backup counts as protection only in these states."""

GONE_BACKUP = frozenset({BackupState.DELETING, BackupState.DELETED})
"""Nothing of it can be restored, and nothing brings it back."""

LEAVING_BACKUP = GONE_BACKUP | {BackupState.EXPIRING}
"""Expiry has its hand on it: verification and checks of the repository leave the state alone."""

_SETTLED = frozenset(
    {
        BackupState.STORED,
        BackupState.CHECKED,
        BackupState.RESTORE_TESTED,
        BackupState.DAMAGED,
        BackupState.MISSING,
    }
)
BACKUP_TRANSITIONS: dict[BackupState, frozenset[BackupState]] = {
    BackupState.STORED: _SETTLED - {BackupState.STORED} | {BackupState.EXPIRING},
    BackupState.CHECKED: frozenset(
        {BackupState.RESTORE_TESTED, BackupState.DAMAGED, BackupState.MISSING, BackupState.EXPIRING}
    ),
    BackupState.RESTORE_TESTED: frozenset({BackupState.DAMAGED, BackupState.MISSING, BackupState.EXPIRING}),
    BackupState.DAMAGED: frozenset(
        {BackupState.CHECKED, BackupState.RESTORE_TESTED, BackupState.MISSING, BackupState.EXPIRING}
    ),
    BackupState.MISSING: frozenset({BackupState.STORED, BackupState.EXPIRING}),
    BackupState.EXPIRING: _SETTLED | {BackupState.DELETING},
    BackupState.DELETING: frozenset({BackupState.DELETED}),
    BackupState.DELETED: frozenset(),
}

CHANGE_TRANSITIONS: dict[ChangeState, frozenset[ChangeState]] = {
    ChangeState.AWAITING: frozenset(set(ChangeState) - {ChangeState.AWAITING}),
    **{state: frozenset() for state in ChangeState if state != ChangeState.AWAITING},
}

RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.WAITING: frozenset({RunState.STARTED, RunState.COVERED, RunState.REFUSED}),
    RunState.STARTED: frozenset({RunState.SUCCEEDED, RunState.FAILED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.COVERED: frozenset(),
    RunState.REFUSED: frozenset(),
}

REPOSITORY_TRANSITIONS: dict[RepositoryState, frozenset[RepositoryState]] = {
    RepositoryState.NEW: frozenset({RepositoryState.READY, RepositoryState.UNREACHABLE}),
    RepositoryState.READY: frozenset({RepositoryState.UNREACHABLE}),
    RepositoryState.UNREACHABLE: frozenset({RepositoryState.READY}),
}

DEPTH = {VerificationLevel.CHECKSUM: 1, VerificationLevel.DECODE: 2, VerificationLevel.RESTORE: 3}
"""How much a level proves; a deeper one includes the shallower ones."""


def backup_state_after(
    state: BackupState,
    level: VerificationLevel,
    *,
    passed: bool,
    failed_at: VerificationLevel | None = None,
) -> BackupState:
    """The state a backup has earned after a verification at `level`.

    A pass never lowers a state. A damaged backup is believed again only by a pass at least as deep as
    the failure (`failed_at`): a matching SHA-256 says nothing about a frame that would not decrypt.
    """
    if not passed:
        return BackupState.DAMAGED
    if state == BackupState.DAMAGED and failed_at is not None and DEPTH[level] < DEPTH[failed_at]:
        return state
    if level == VerificationLevel.RESTORE:
        return BackupState.RESTORE_TESTED
    return state if state == BackupState.RESTORE_TESTED else BackupState.CHECKED


def may_become(old: BackupState, new: BackupState) -> bool:
    """True when the table allows it; staying is always allowed."""
    return new == old or new in BACKUP_TRANSITIONS[old]
