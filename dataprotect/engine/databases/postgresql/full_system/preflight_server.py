"""What the server that is replaced says, where it answers; it may be down, and often is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.databases.postgresql import local_access, server
from dataprotect.engine.databases.postgresql.connection import Connection
from dataprotect.engine.databases.postgresql.connection_errors import where
from dataprotect.engine.databases.postgresql.full_system import running, starting
from dataprotect.engine.full_system_model import FullSystemRequest, Origin
from dataprotect.engine.model import Check

_FOLLOWERS = """
SELECT (SELECT count(*) FROM pg_replication_slots
         WHERE NOT temporary AND slot_name NOT LIKE 'dataprotect\\_%'),
       (SELECT count(*) FROM pg_stat_replication WHERE application_name NOT LIKE 'dataprotect%'),
       (SELECT count(*) FROM pg_subscription)
"""
"""Our own log stream makes its slot anew when it connects again."""


def checks(request: FullSystemRequest, origin: Origin) -> Iterator[Check]:
    address, data = request.target.address, origin.data_directory
    found = running.server_in(data)
    name, wanted = "the address is this server's", f"the server in {data} at {where(address)}"
    try:
        with starting.entered(address, "looking at the server") as connection:
            access = local_access.look(data, server.facts(connection))
            yield Check(name, access.directory is not None, wanted, access.reason)
            if access.directory is not None:
                yield _process(found is not None)
                yield _followers(connection)
    except ForeseenError as error:
        if found is None:
            yield Check(name, None, wanted, f"no server runs in {data}; it is restored all the same")
        else:
            yield Check(name, False, wanted, f"{error.message} {error.action}")


def account_in_backup(request: FullSystemRequest, record: Mapping[str, Any]) -> Check:
    """The restored server's roles are those of the backup."""
    name, user = "the account is in the backup", request.target.address.user
    roles = {str(each["name"]): bool(each["login"]) for each in record.get("roles", ())}
    wanted = f"the role {user}, which may log in"
    if not roles:
        return Check(name, None, wanted, "the backup does not say which roles there were")
    told = {True: "it is; its password is that of the backup", False: "it may not log in", None: "it is not"}
    return Check(name, roles.get(user) is True, wanted, told[roles.get(user)])


def _process(seen: bool) -> Check:
    """A server in another container answers and is not seen: nobody could tell whether it stopped."""
    found = "its process is seen" if seen else "it answers, and its process is not seen from here"
    return Check("stopping can be verified", seen, "a process in the data directory", found)


def _followers(connection: Connection) -> Check:
    name, wanted = "nobody follows this server", "no slots, standbys or subscriptions"
    row = connection.execute(_FOLLOWERS).fetchone()
    assert row is not None  # noqa: S101
    slots, standbys, subscriptions = map(int, row)
    if not (slots or standbys or subscriptions):
        return Check(name, True, wanted, "none")
    told = (
        f"slots: {slots}, standbys: {standbys}, subscriptions: {subscriptions}; slots are gone afterwards, "
        "standbys and subscriptions must be made anew"
    )
    return Check(name, None, wanted, told)
