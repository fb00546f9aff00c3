"""What may be typed, one validator per thing; forms, API and commands use the same.

Each returns the cleaned value or raises `InvalidInput` with a sentence that says what was expected. The match
is always over the whole text (`fullmatch`: `$` would let a trailing newline pass) and over ASCII only (`\\d`
would let Arabic digits pass). A refused value is shown cut and escaped, and not where it may be a credential.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from dataprotect.core.errors import InvalidInput
from dataprotect.core.identifiers import BACKUP_ID
from dataprotect.core.reserved_words import RESERVED

_DATABASE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_USER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.$@-]{0,62}")
_LABEL = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?")
_SOCKET_FOLDER = re.compile(r"(/[a-zA-Z0-9._-]+)+")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})")
_ZONE = re.compile(r"Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]")
_TABLESPACE = re.compile(rf"{_DATABASE.pattern}|[1-9][0-9]{{0,9}}")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[a-zA-Z0-9._-]+)*/?")
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_LONGEST_SHOWN = 60
_MAY_HOLD_A_CREDENTIAL = re.compile(r"@|://|passw|pwd|secret|token|key", re.IGNORECASE)
_LONGEST_HOST = 253
_LONGEST_SOCKET_FOLDER = 90  # sun_path has 108 bytes, and the socket's own name follows
_LONGEST_PATH = 1024
_SYSTEM_DATABASES = {"template0", "template1"}
_ANY_BUCKET = "s3://"


def shown(value: object) -> str:
    """The value as it may appear in a sentence: escaped, cut, and left out when it may hold a credential."""
    if not isinstance(value, str):
        return f"a value of type {type(value).__name__}"
    if _MAY_HOLD_A_CREDENTIAL.search(value):
        return "a value that is not shown, because it may hold a credential"
    text = ascii(value[: _LONGEST_SHOWN + 1])
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _refuse(field: str, expected: str, value: object = None) -> NoReturn:
    got = "" if value is None else f", got {shown(value)}"
    raise InvalidInput(field, f"Expected {expected}{got}.")


def _matched(field: str, pattern: re.Pattern[str], value: object, expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(field, expected, value)
    return value


def backup_id(value: str) -> str:
    return _matched("backup_id", BACKUP_ID, value, "a backup id of 1 to 128 letters, digits, _ and -")


def database_name(value: str) -> str:
    """A database name that may be typed. Others may exist on a server: they are backed up and shown."""
    expected = "a database name of 1 to 63 letters, digits and _, not beginning with a digit"
    name = _matched("database_name", _DATABASE, value, expected)
    if name.upper() in RESERVED:
        _refuse("database_name", "a database name that is not a reserved word of SQL", name)
    if name.lower() in _SYSTEM_DATABASES:
        _refuse("database_name", "a database of your own, not one of the server's templates", name)
    return name


def instance_name(value: str) -> str:
    return _matched("instance_name", _NAME, value, f"an instance {_NAME_EXPECTED}")


def repository_name(value: str) -> str:
    return _matched("repository_name", _NAME, value, f"a repository {_NAME_EXPECTED}")


_NAME_EXPECTED = "name of 1 to 63 letters, digits, _ and -, beginning with a letter or digit"


def user_name(value: str) -> str:
    """The name of a database account."""
    expected = "a user name of 1 to 63 letters, digits and _ . $ @ -, beginning with a letter or _"
    return _matched("user_name", _USER, value, expected)


def region(value: str) -> str:
    """Where something is: a cloud's region or a site's own name; empty is not a region."""
    return _matched("region", _REGION, value, "a region such as eu-central-1: small letters, digits and -")


def port(value: str | int) -> int:
    """1 to 65535, from text or a number; ASCII digits only, no sign, no leading zero."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:
        _refuse("port", "a port from 1 to 65535", value)
    return int(text)


def resolves(name: str) -> bool:
    """Whether this machine's resolver knows the name."""
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):
        return False


def host(
    value: str, *, inventory: Collection[str] = (), resolve: Callable[[str], bool] | None = resolves
) -> str:
    """An address, a name that resolves or is in the inventory, or the folder of a Unix socket.

    `resolve` None leaves it at the syntax. One host only: the lists that database clients accept are refused.
    """
    expected = "a host name, an IP address or the absolute folder of a Unix socket"
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_HOST:
        _refuse("host", expected, value)
    if value.startswith("/"):
        return _socket_folder(value)
    if _is_address(value):
        return value
    labels = value.removesuffix(".").split(".")
    # A last label of digits (127.1, 0x7f.1, 2130706433) is an address in disguise to many resolvers.
    if not all(_LABEL.fullmatch(label) for label in labels) or re.match(r"[0-9]+$|0[xX]", labels[-1]):
        _refuse("host", expected, value)
    if value not in inventory and resolve is not None and not resolve(value):
        _refuse("host", "a host name that resolves or is in the inventory", value)
    return value


def _socket_folder(value: str) -> str:
    wrong = not _SOCKET_FOLDER.fullmatch(value) or len(value) > _LONGEST_SOCKET_FOLDER
    if wrong or {".", ".."} & set(value.split("/")):
        _refuse("host", "the absolute folder of a Unix socket, without . or ..", value)
    return value


def _is_address(value: str) -> bool:
    try:
        return "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def timestamp(value: str, *, now: datetime) -> datetime:
    """An instant with its zone, not after `now` (aware); returned in UTC."""
    text = _matched("timestamp", _TIMESTAMP, value, "an instant such as 2026-11-22T15:07:58Z, with its zone")
    if not _ZONE.fullmatch(text[19:]):
        _refuse("timestamp", "a zone that exists: Z, or from -14:59 to +14:59", value)
    try:
        instant = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse("timestamp", "an instant that exists in the calendar", value)
    if instant > now:
        _refuse("timestamp", "an instant that is not in the future", value)
    return instant


def bucket_url(value: str, *, allowed: Sequence[str]) -> str:
    """`s3://bucket/path` below one of the allowed prefixes; without a trailing slash."""
    if isinstance(value, str) and ("@" in value or "?" in value or "#" in value):
        _refuse(
            "repository_url", "a bucket address without credentials or parameters, such as s3://bucket/path"
        )
    url = _matched("repository_url", _BUCKET, value, "a bucket address such as s3://bucket/path").rstrip("/")
    bucket, _, path = url.removeprefix("s3://").partition("/")
    if ".." in url or "." in path.split("/") or _is_address(bucket):
        _refuse("repository_url", "a bucket address without . or .. in its path", value)
    if not any(_is_below(url, prefix) for prefix in allowed):
        _refuse("repository_url", f"a bucket below {_one_of(allowed)}", value)
    return url


def _is_below(url: str, prefix: str) -> bool:
    """By whole segments: `s3://team` does not open `s3://team-b`."""
    return prefix == _ANY_BUCKET or f"{url}/".startswith(prefix.rstrip("/") + "/")


def local_path(value: str, *, allowed: Sequence[str] | None = None) -> Path:
    """An absolute path with its symbolic links resolved, below one of the allowed folders (None: anywhere).

    Checked as typed and as resolved, so that a link inside an allowed folder does not lead out of it.
    """
    expected = "an absolute path without .. and control characters"
    if not isinstance(value, str) or not value.startswith("/") or not _printable(value):
        _refuse("path", expected, value)
    if len(value.encode()) > _LONGEST_PATH or {".", ".."} & set(value.split("/")):
        _refuse("path", expected, value)
    try:
        resolved = Path(value).resolve()
    except (OSError, RuntimeError):
        _refuse("path", "a path whose symbolic links lead somewhere", value)
    if allowed is not None and not any(_inside(resolved, Path(folder)) for folder in allowed):
        _refuse("path", f"a path below {_one_of(allowed)}", value)
    return resolved


def _inside(resolved: Path, folder: Path) -> bool:
    return resolved.is_relative_to(folder) or resolved.is_relative_to(folder.resolve())


def _printable(value: str) -> bool:
    """No control, format or separator characters (NUL, newline, right-to-left marks), no lone surrogates."""
    return value.isprintable()


_REPOSITORY_EXPECTED = "an absolute folder or a bucket address such as s3://bucket/path"


def repository_url(
    value: str, *, local_prefixes: Sequence[str], bucket_prefixes: Sequence[str]
) -> str:  # fmt: skip
    """A bucket (`s3://…`) or a local folder (`/srv/backups`, `file:///srv/backups`), in its short form."""
    if isinstance(value, str) and value.startswith("/"):
        return str(local_path(value, allowed=local_prefixes))
    if isinstance(value, str) and value.startswith("file:///"):
        return str(local_path(value.removeprefix("file://"), allowed=local_prefixes))
    if isinstance(value, str) and value.startswith("s3://"):
        return bucket_url(value, allowed=bucket_prefixes)
    _refuse("repository_url", _REPOSITORY_EXPECTED, value)


def tablespace_mapping(value: str, *, allowed: Sequence[str] | None = None) -> tuple[str, Path]:
    """`NAME=DIR` as (name, folder). The tablespace's OID stands for a name that may not be typed."""
    name, sign, folder = value.partition("=") if isinstance(value, str) else ("", "", "")
    if not sign or not _TABLESPACE.fullmatch(name):
        expected = "NAME=DIR, such as fast=/srv/restore/fast, or the tablespace's OID for its name"
        _refuse("tablespace_mapping", expected, value)
    return name, local_path(folder, allowed=allowed)


def _one_of(allowed: Sequence[str]) -> str:
    return " or ".join(allowed) if allowed else "an allowed prefix (none is configured)"
