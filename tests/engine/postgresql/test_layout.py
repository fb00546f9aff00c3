"""What stays out of a backup, path by path."""

from __future__ import annotations

import pytest

from dataprotect.engine.databases.postgresql import layout
from dataprotect.engine.databases.postgresql.layout import RelationFile


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("", "postmaster.pid"), ("", "postmaster.opts"), ("", "backup_label"), ("", "backup_label.old"),
        ("", "tablespace_map"), ("", "backup_manifest"), ("", "postgresql.auto.conf.tmp"),
        ("", "current_logfiles"), ("base/5", "pg_internal.init"), ("global", "pg_internal.init.123"),
        ("base", "pgsql_tmp"), ("base/pgsql_tmp", "pgsql_tmp12.0"), ("base/5", "t3_16400"),
        ("base/5", "t3_16400_fsm"), ("base/5", "t3_16400.1"), ("PG_15_202209061/5", "t12_99"),
    ],
)  # fmt: skip
def test_left_out(directory: str, name: str) -> None:
    assert layout.is_excluded(directory, name)


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("", "PG_VERSION"), ("", "postgresql.auto.conf"), ("global", "pg_control"), ("base/5", "16400"),
        ("base/5", "16400_init"), ("base/5", "pg_filenode.map"), ("pg_xact", "0000"), ("", "t3_16400"),
        ("pg_twophase", "0000000000000001"), ("log", "postgresql.log"),
    ],
)  # fmt: skip
def test_kept(directory: str, name: str) -> None:
    assert not layout.is_excluded(directory, name)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("base/5/2619", RelationFile(2619, "main", 0)),
        ("base/5/2619.2", RelationFile(2619, "main", 2)),
        ("base/5/2619_fsm.1", RelationFile(2619, "fsm", 1)),
        ("base/5/2619_vm", RelationFile(2619, "vm", 0)),
        ("base/5/2619_init", RelationFile(2619, "init", 0)),
        ("global/1262", RelationFile(1262, "main", 0)),
        ("PG_15_202209061/5/16400", RelationFile(16400, "main", 0)),
        ("global/pg_control", None),
        ("base/5/pg_filenode.map", None),
        ("base/5/PG_VERSION", None),
        ("pg_xact/0000", None),
        ("pg_multixact/offsets/0000", None),
    ],
)
def test_relations(path: str, expected: RelationFile | None) -> None:
    assert layout.relation_file(path) == expected


def test_blocks_count_on_over_segments() -> None:
    assert layout.first_block(RelationFile(2619, "main", 2), 131072) == 262144


def test_unlogged_data_is_everything_but_the_init_fork() -> None:
    names = ["16400", "16400_init", "16400.1", "16400_fsm", "16401", "16401_vm"]
    unlogged = {number for name in names if (number := layout.init_fork_number(name))}
    assert [name for name in names if layout.is_unlogged_data(name, unlogged)] == [
        "16400",
        "16400.1",
        "16400_fsm",
    ]


def test_directories_kept_empty() -> None:
    assert layout.is_kept_empty("", "pg_replslot")
    assert layout.is_kept_empty("", "pg_wal")
    assert not layout.is_kept_empty("", "pg_xact")
    assert not layout.is_kept_empty("base", "pg_wal")
