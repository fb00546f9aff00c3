"""Reading the environment: every value is checked where it is read, and a bad one is one clear sentence."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import environ

from dataprotect.core.errors import ForeseenError

_env = environ.Env()
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def refuse(name: str, expected: str) -> NoReturn:
    """Stop here; the value itself is not repeated, because addresses carry passwords."""
    raise ForeseenError(
        f"settings.{name.lower()}",
        f"The environment variable {name} is not usable: expected {expected}.",
        f"Correct {name} and start again; docs/operations.md lists every setting.",
    )


def text(name: str, default: str = "") -> str:
    """The variable without surrounding blanks; `default` when unset or empty."""
    return str(_env.str(name, default="")).strip() or default


def flag(name: str, default: bool) -> bool:
    value = text(name, str(default)).lower()
    if value not in _TRUE | _FALSE:
        refuse(name, "true or false")
    return value in _TRUE


def number(name: str, default: int, *, low: int, high: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
        refuse(name, f"a whole number from {low} to {high}")
    return int(value)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        refuse(name, f"one of {', '.join(allowed)}")
    return value


def address(name: str) -> str:
    """`https://host[:port][/path]` without a trailing slash and without a password; empty when unset."""
    value = text(name).rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
        refuse(name, "an address such as https://backup.example.org")
    return value


def names(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A comma-separated list; `default` when unset."""
    return [word.strip() for word in text(name, ",".join(default)).split(",") if word.strip()]


def argument_lists(name: str) -> list[list[str]]:
    """A JSON list of argument lists; empty when unset."""
    try:
        found = json.loads(text(name, "[]"))
    except ValueError:
        found = None
    whole = isinstance(found, list) and all(
        isinstance(words, list) and words and all(isinstance(word, str) and word for word in words)
        for words in found
    )
    if not whole:
        refuse(name, """a JSON list of argument lists, such as [["systemctl", "stop", "postgresql"]]""")
    return list(found)


def networks(name: str, default: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """A comma-separated list of addresses or networks; `none` for an empty one."""
    words = [] if text(name).lower() == "none" else names(name, default)
    try:
        return [ipaddress.ip_network(word, strict=False) for word in words]
    except ValueError:
        refuse(name, "networks such as 127.0.0.0/8,10.0.0.0/24, or none")


def path(name: str, default: Path) -> Path:
    """An absolute path, `~` expanded; a relative one counts from the working directory."""
    value = text(name, str(default))
    if "\0" in value:
        refuse(name, "a path")
    return Path(value).expanduser().absolute()
