"""The configuration of a clone: generated, never the source's. Pure, apart from looking which libraries
exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataprotect.engine.databases.postgresql.recovery import FENCE, NO_ARCHIVE, RecoveryTarget, lines

PORT = 5432
SHARED_BUFFERS = "64MB"
HBA = "# Nobody but who may enter the private folder of the socket.\nlocal all all trust\n"
SOURCE_FILES = frozenset(
    {
        "postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf", "recovery.signal",
        "standby.signal", "tablespace_map", "postmaster.pid", "postmaster.opts",
    }
)  # fmt: skip
"""Files of the data directory that a clone never takes from its source."""

ACTS_ON_THE_WORLD = frozenset(
    {
        "pg_cron", "pg_net", "pglogical", "bdr", "pg_partman_bgw", "pg_squeeze", "repmgr", "spock", "citus",
        "pg_failover_slots", "pg_timetable", "pgagent", "pg_background", "powa", "pgq_ticker", "pg_prewarm",
        "basic_archive", "pg_auto_failover", "pgautofailover", "pg_tle", "pg_task",
    }
)  # fmt: skip
"""Libraries that do things on their own. (max_worker_processes = 0 stops their workers in any case.)"""

_LONG_REPLAY = {
    "shared_buffers": "256MB",
    "wal_keep_size": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
}
"""Much log may pass through: what is replayed goes, instead of being kept for the comparison."""

_LIBRARY = re.compile(r"[A-Za-z0-9_.-]+")


def libraries(wanted: Sequence[str], folder: Path | None) -> tuple[list[str], list[str]]:
    """Which preload libraries a clone loads, and sentences about those it does without."""
    kept, notes = [], []
    for library in wanted:
        name = Path(library).name.removesuffix(".so")
        if name in ACTS_ON_THE_WORLD:
            notes.append(f"The library {name} was left out: it acts on its own.")
        elif folder is None or not _LIBRARY.fullmatch(name) or not (folder / f"{name}.so").exists():
            notes.append(f"The library {name} was left out: it is not on this machine.")
        else:
            kept.append(name)
    return kept, notes


def configuration(
    *,
    major: int,
    socket_directory: Path,
    target: RecoveryTarget,
    preload: Sequence[str],
    control: Mapping[str, str],
    settings: Mapping[str, Any],
) -> str:
    """The whole postgresql.conf. `control`: pg_controldata's lines; `settings`: the source's, as recorded."""
    chosen = {
        **_isolated(socket_directory, preload),
        **FENCE,
        **_disposable(),
        **(_LONG_REPLAY if target.restore_command != NO_ARCHIVE else {}),
        "max_prepared_transactions": control.get("max_prepared_xacts setting", "0"),
        "max_locks_per_transaction": control.get("max_locks_per_xact setting", "64"),
        "track_commit_timestamp": control.get("track_commit_timestamp setting", "off"),
        **_carried(settings),
        **target.settings(),
    }
    if major >= 17:
        chosen["event_triggers"] = "off"
        chosen["summarize_wal"] = "off"
    return "# A clone made by DataProtect. It sees and reaches nothing but its own folder.\n" + lines(chosen)


def _isolated(socket_directory: Path, preload: Sequence[str]) -> dict[str, str]:
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(socket_directory),
        "unix_socket_permissions": "0700",
        "ssl": "off",
        "archive_command": "",
        "max_wal_senders": "0",
        # Replaying a subscriber's log needs room for its origins; there are no slots to use it.
        "max_replication_slots": "64",
        "max_worker_processes": "0",
        "max_parallel_workers": "0",
        "shared_preload_libraries": ",".join(preload),
        "session_preload_libraries": "",
        "local_preload_libraries": "",
        "hot_standby": "off",
        # In the clone's own folder: /dev/shm may be missing, or closed to the account it runs under.
        "dynamic_shared_memory_type": "mmap",
    }


def _disposable() -> dict[str, str]:
    """It is thrown away, so nothing is made durable; and nothing is changed behind the comparison's back."""
    return {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "synchronous_standby_names": "",
        "autovacuum": "off",
        "shared_buffers": SHARED_BUFFERS,
        "max_connections": "20",
        "huge_pages": "off",
        "jit": "off",
        "wal_keep_size": "1048576MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "lc_messages": "C",
    }


def _carried(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings without which the source's own data would read differently or not at all."""
    names = ("default_text_search_config",)
    return {name: str(settings[name]["value"]) for name in names if name in settings}
