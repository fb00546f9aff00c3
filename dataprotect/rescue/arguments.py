"""The command line of the rescue."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dataprotect.core import stop_file


@dataclass(slots=True)
class Arguments:
    """One invocation. Folders are absolute. `despite_emergency_stop` is the reason, when there is one."""

    action: str = ""
    repository: str = ""
    key_file: Path = Path()
    json: bool = False
    backup_id: str = ""
    instance: str | None = None
    level: str = "decode"
    to: Path = Path()
    tablespaces: dict[str, Path] = field(default_factory=dict)
    binaries: dict[int, Path] = field(default_factory=dict)
    clones: Path | None = None
    user: str = "postgres"
    threads: int = 2
    stop_file: Path = field(default_factory=stop_file.place)
    despite_emergency_stop: str | None = None
    target_time: str | None = None
    target_lsn: str | None = None
    target_name: str | None = None
    latest: bool = False


def parse(argv: Sequence[str] | None) -> Arguments:
    """Ends the process with exit code 2 and a sentence when the command line is not understood."""
    found = _parser().parse_args(argv, namespace=argparse.Namespace())
    values = {name: value for name, value in vars(found).items() if value is not None}
    values["tablespaces"] = dict(values.pop("map_tablespace", []))
    values["binaries"] = dict(values.pop("binaries", []))
    return Arguments(**values)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataprotect.rescue",
        description="Bring a backup back with nothing but the repository and the key.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|windows|verify|restore")
    _common(actions.add_parser("list", help="every sealed backup in the repository"))
    _common(actions.add_parser("windows", help="to which instants each instance can be restored"))
    _verify(actions.add_parser("verify", help="prove a backup"))
    _restore(actions.add_parser("restore", help="write a backup, or an instant, into a folder"))
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repository", required=True, metavar="URL")
    parser.add_argument("--key-file", required=True, type=_absolute, metavar="FILE")
    parser.add_argument("--instance", metavar="ID", help="when two instances have a backup of this name")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")


def _one_backup(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    parser.add_argument("backup_id", metavar="BACKUP_ID", nargs="?" if optional else None)
    _common(parser)
    parser.add_argument("--threads", type=_threads, default=2, metavar="N")
    parser.add_argument(
        "--user", default="postgres", metavar="NAME", help="who runs the server, when this is run as root"
    )
    parser.add_argument(
        "--despite-emergency-stop", type=_reason, metavar="REASON", help="go on although the stop is active"
    )


def _verify(parser: argparse.ArgumentParser) -> None:
    _one_backup(parser)
    parser.add_argument("--level", choices=("checksum", "decode", "restore"), default="decode")
    parser.add_argument("--clones", type=_absolute, metavar="DIR", help="where level restore puts its clone")
    parser.add_argument(
        "--binaries", action="append", type=_version, metavar="MAJOR=DIR", help="programs of a server version"
    )


def _restore(parser: argparse.ArgumentParser) -> None:
    _one_backup(parser, optional=True)
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target-time", metavar="T", help="an instant with its zone: 2026-11-22T15:07:58Z")
    target.add_argument("--target-lsn", metavar="LSN", help="everything before this position of the log")
    target.add_argument("--target-name", metavar="NAME", help="a restore point made on the server")
    target.add_argument("--latest", action="store_true", help="the end of the stored log")
    parser.add_argument("--to", required=True, type=_absolute, metavar="DIR")
    parser.add_argument(
        "--map-tablespace",
        action="append",
        type=_mapping,
        metavar="NAME=DIR",
        help="once for each tablespace",
    )


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _mapping(text: str) -> tuple[str, Path]:
    name, sign, folder = text.partition("=")
    if not (name and sign and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=DIR, got {text!r}")
    return name, _absolute(folder)


def _version(text: str) -> tuple[int, Path]:
    major, folder = _mapping(text)
    if not major.isdigit():
        raise argparse.ArgumentTypeError(f"expected MAJOR=DIR, got {text!r}")
    return int(major), folder


def _threads(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected 1 to 64, got {text!r}")
    return int(text)


def _reason(text: str) -> str:
    if len(text.strip()) < 10:
        raise argparse.ArgumentTypeError("expected a reason of at least 10 characters")
    return text.strip()
