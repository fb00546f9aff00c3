"""What may be typed about an instance: one place, used by adding and by changing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from catalog.models import Instance, Repository, Tier
from catalog.states import Environment, TlsMode
from dataprotect.core import validation
from dataprotect.core.errors import InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.engine import databases

_LONGEST_PASSWORD = 1000


def cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields, validated. Raises InvalidInput for the first that is wrong, or not known here."""
    unknown = set(values) - set(_RULES)
    if unknown:
        raise InvalidInput(min(unknown), f"There is nothing called {validation.shown(min(unknown))} to set.")
    result = {name: _RULES[name](value) for name, value in values.items()}
    if TLS_FIELDS & set(result):
        _check_tls(result)
    return result


TLS_FIELDS = frozenset({"tls_mode", "tls_ca_file", "tls_certificate_file", "tls_key_file"})


def password(value: Secret) -> Secret:
    """Any text a server could take; the refusal never shows it."""
    text = value.reveal()
    if not text or len(text) > _LONGEST_PASSWORD or not text.isprintable():
        raise InvalidInput("password", "Expected a password of 1 to 1000 printable characters.")
    return value


def _engine(value: str) -> str:
    if value not in databases.names():
        raise InvalidInput("engine", f"Expected one of {', '.join(databases.names())}.")
    return value


def _host(value: str) -> str:
    """The inventory counts as known: a name that resolved once may be out of the resolver's reach today."""
    value = validation.host(value, resolve=None)  # first what a database could be asked about
    known = Instance.objects.filter(host=value).exists()
    return validation.host(value, inventory={value} if known else ())


def _choice(field: str, allowed: list[str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in allowed:
            raise InvalidInput(
                field, f"Expected {field.replace('_', ' ')} to be one of {', '.join(allowed)}."
            )
        return value

    return check


def _tier(value: str | Tier) -> Tier:
    if isinstance(value, Tier):
        return value
    found = Tier.objects.filter(name=_plain(value)).first()
    if found is None:
        names = ", ".join(Tier.objects.values_list("name", flat=True))
        raise InvalidInput("tier", f"Expected a tier, one of {names}; got {validation.shown(value)}.")
    return found


def _repository(value: str | Repository) -> Repository:
    if isinstance(value, Repository):
        return value
    found = Repository.objects.filter(name=validation.repository_name(value)).first()
    if found is None:
        raise InvalidInput("repository", f"There is no repository {value}: register it first.")
    return found


def _file(value: str) -> str:
    return str(validation.local_path(value)) if value else ""


def _region(value: str) -> str:
    return validation.region(value) if value else ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def _check_tls(values: Mapping[str, Any]) -> None:
    mode = values.get("tls_mode", TlsMode.PREFER)
    if mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL) and not values.get("tls_ca_file"):
        raise InvalidInput(
            "tls_ca_file", f"The TLS mode {mode} checks the certificate, so it needs a CA file."
        )
    if bool(values.get("tls_certificate_file")) != bool(values.get("tls_key_file")):
        raise InvalidInput(
            "tls_key_file", "A client certificate needs its key file, and the other way round."
        )


_RULES: dict[str, Callable[[Any], Any]] = {
    "name": validation.instance_name,
    "engine": _engine,
    "host": _host,
    "port": validation.port,
    "user": validation.user_name,
    "database": validation.database_name,
    "data_directory": _file,
    "environment": _choice("environment", list(Environment.values)),
    "tier": _tier,
    "region": _region,
    "repository": _repository,
    "tls_mode": _choice("tls_mode", list(TlsMode.values)),
    "tls_ca_file": _file,
    "tls_certificate_file": _file,
    "tls_key_file": _file,
}
