"""Every rule by its code: what people choose from when they say what a channel gets.

`watched` rules are held against the facts once a minute, and end by themselves. The others are raised and
ended where the thing happens: by the backup, the proof of the chain, the delivery of a message.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    words: str
    watched: bool = True
    alerts: bool = True
    """Else it is only to be known: a message without an alert."""


RULES: dict[str, Rule] = {
    "stop_active": Rule("The emergency stop is active"),
    "worker_missing": Rule("A worker has not been heard of, or nobody works at all"),
    "queue_stuck": Rule("Work waits and nobody takes it"),
    "audit_broken": Rule("The audit chain is broken", watched=False),
    "key_unreachable": Rule("The key-encryption keys cannot be read"),
    "repository_unreachable": Rule("A repository cannot be used"),
    "repository_filling": Rule("A repository is full, or will be soon"),
    "scrub_late": Rule("Stored objects were not reread in time"),
    "never_backed_up": Rule("An instance has no good backup"),
    "backup_failed": Rule("The last backup failed"),
    "backup_missed": Rule("A scheduled backup was missed"),
    "backup_overdue": Rule("A backup is overdue"),
    "backup_damaged": Rule("A backup is damaged or missing"),
    "rpo_breached": Rule("More would be lost than the RPO target allows"),
    "restore_test_failed": Rule("The last restore test failed"),
    "pitr_test_failed": Rule("The last test of a random instant failed"),
    "rto_breached": Rule("A restore took longer than the RTO target"),
    "never_restore_tested": Rule("No backup was ever restore-tested"),
    "unreachable": Rule("An instance cannot be reached"),
    "clock_skew": Rule("An instance's clock is wrong"),
    "size_anomaly": Rule("A backup's size is out of line", watched=False),
    "bad_pages": Rule("A backup read damaged pages", watched=False),
    "retention_audit_late": Rule("The retention audit is overdue"),
    "retention_exceptions": Rule("The retention audit found exceptions", watched=False),
    "log_gap": Rule("Log is missing"),
    "log_damaged": Rule("Stored log is damaged", watched=False),
    "log_late": Rule("Log is stored too late"),
    "slot_retained": Rule("A replication slot keeps too much log on the server"),
    "collector_failing": Rule("Log cannot be collected"),
    "log_refused": Rule("Another cluster answers where the log is streamed from", watched=False),
    "log_base_needed": Rule("The log broke off: a new full backup is needed", watched=False),
    "log_slot_orphaned": Rule("Forgotten replication slots keep log on a server", watched=False),
    "approval_waiting": Rule("A restore waits for signatures", watched=False),
    "glass_broken": Rule("A restore was started without its signatures", watched=False),
    "glass_review_overdue": Rule("A broken glass was not reviewed in time", watched=False),
    "restore_failed": Rule("A restore did not succeed", watched=False),
    "restore_delivered": Rule("A restore was delivered", watched=False),
    "decisions_digest": Rule(
        "What each approver signed and denied, once a week", watched=False, alerts=False
    ),
    "channel_failing": Rule("A channel takes no messages", watched=False),
}

WATCHED = tuple(code for code, rule in RULES.items() if rule.watched)
