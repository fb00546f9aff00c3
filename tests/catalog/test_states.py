"""States are earned, and only along the table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.states import (
    BACKUP_TRANSITIONS,
    DEPTH,
    GOOD_BACKUP,
    LEAVING_BACKUP,
    BackupState,
    VerificationLevel,
    backup_state_after,
    may_become,
)

SETTLED = set(BackupState) - LEAVING_BACKUP - {BackupState.MISSING}
STATES = st.sampled_from(sorted(SETTLED))
LEVELS = st.sampled_from(list(VerificationLevel))


@given(STATES, LEVELS, st.booleans(), st.none() | LEVELS)
def test_whatever_follows_is_in_the_table(
    state: BackupState, level: VerificationLevel, passed: bool, failed_at: VerificationLevel | None
) -> None:
    after = backup_state_after(state, level, passed=passed, failed_at=failed_at)
    assert may_become(state, after)
    assert (after in GOOD_BACKUP) <= passed, "a failure never makes a backup good"


@given(STATES, LEVELS)
def test_a_failure_is_damage(state: BackupState, level: VerificationLevel) -> None:
    assert backup_state_after(state, level, passed=False) == BackupState.DAMAGED


@given(LEVELS, LEVELS)
def test_damage_is_taken_back_only_by_a_proof_as_deep(
    failed_at: VerificationLevel, level: VerificationLevel
) -> None:
    after = backup_state_after(BackupState.DAMAGED, level, passed=True, failed_at=failed_at)
    assert (after in GOOD_BACKUP) == (DEPTH[level] >= DEPTH[failed_at])


def test_only_a_restore_makes_restore_tested() -> None:
    for level in (VerificationLevel.CHECKSUM, VerificationLevel.DECODE):
        assert backup_state_after(BackupState.STORED, level, passed=True) == BackupState.CHECKED
        assert (
            backup_state_after(BackupState.RESTORE_TESTED, level, passed=True) == BackupState.RESTORE_TESTED
        )
    restored = backup_state_after(BackupState.CHECKED, VerificationLevel.RESTORE, passed=True)
    assert restored == BackupState.RESTORE_TESTED


def test_what_was_missing_has_everything_to_prove() -> None:
    assert not BACKUP_TRANSITIONS[BackupState.MISSING] & GOOD_BACKUP


def test_what_is_being_deleted_never_comes_back() -> None:
    assert BACKUP_TRANSITIONS[BackupState.DELETING] == {BackupState.DELETED}
    assert not BACKUP_TRANSITIONS[BackupState.DELETED]
