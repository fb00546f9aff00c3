"""libpq's and the server's messages, as sentences with something to do. Pure text; no secret passes
through.
"""

from __future__ import annotations

import re

import psycopg

from dataprotect.core.errors import ForeseenError
from dataprotect.engine.model import Address

_Rule = tuple[str, str, str, str, bool]
"""Pattern in the lower-cased message, code, sentence, action, whether a retry may help."""

_CONNECT: tuple[_Rule, ...] = (
    (
        r"no pg_hba\.conf entry for replication",
        "connection.replication_refused",
        "The server at {where} has no pg_hba.conf entry that lets {user} connect for replication from here.",
        "Add a line such as `host replication {user} <this worker's address> scram-sha-256` to pg_hba.conf "
        "and reload the server.",
        False,
    ),
    (
        r"no pg_hba\.conf entry",
        "connection.refused_by_rules",
        "The server at {where} has no pg_hba.conf entry that lets {user} connect from here.",
        "Add a line for this worker's address to pg_hba.conf and reload the server.",
        False,
    ),
    (
        r"no password supplied",
        "connection.password_missing",
        "The server at {where} asks for the password of {user}, and none was given.",
        "Enter the password of this instance.",
        False,
    ),
    (
        r"password authentication failed|fe_sendauth",
        "connection.password",
        "The server at {where} refused the password of {user}.",
        "Enter the right user and password for this instance.",
        False,
    ),
    (
        r"permission denied to start wal sender|must be superuser or replication role",
        "postgresql.no_replication_right",
        "The user {user} at {where} may not start a replication connection.",
        "Grant it with `ALTER ROLE {user} REPLICATION`.",
        False,
    ),
    (
        r"number of requested standby connections exceeds",
        "postgresql.too_many_senders",
        "All WAL senders of the server at {where} are in use.",
        "Raise max_wal_senders, or end a replication connection that is no longer needed.",
        True,
    ),
    (
        r"too many clients|remaining connection slots|too many connections",
        "connection.too_many",
        "The server at {where} has no free connection.",
        "Try again later, or raise max_connections.",
        True,
    ),
    (
        r"is not permitted to log in",
        "connection.no_login",
        "The user {user} at {where} is not permitted to log in.",
        "Grant it with `ALTER ROLE {user} LOGIN`.",
        False,
    ),
    (
        r"role .* does not exist",
        "connection.user_missing",
        "There is no user {user} on the server at {where}.",
        "Enter a user that exists there.",
        False,
    ),
    (
        r"database .* does not exist",
        "connection.database_missing",
        "There is no database {database} on the server at {where}.",
        "Enter a database that exists there; `postgres` usually does.",
        False,
    ),
    (
        r"certificate for .* does not match host name|server certificate for",
        "connection.tls_host",
        "The certificate of the server at {where} was made for another host name.",
        "Use the host name that is in the certificate, or give the server a certificate with this one.",
        False,
    ),
    (
        r"certificate verify failed|root certificate|self.signed certificate|unable to get .*issuer",
        "connection.tls_untrusted",
        "The certificate of the server at {where} is not signed by the CA this instance trusts.",
        "Set the CA certificate file of this instance to the CA that signed the server's certificate.",
        False,
    ),
    (
        r"server does not support ssl",
        "connection.tls_unsupported",
        "The server at {where} does not offer TLS, and this instance requires it.",
        "Switch TLS on at the server (ssl = on), or choose another TLS mode.",
        False,
    ),
    (
        r"private key file|certificate file|could not load",
        "connection.tls_client_file",
        "The client certificate or key for {where} could not be used.",
        "Check that both files are readable, belong together, and that the key is not accessible to others.",
        False,
    ),
    (
        r"ssl|tls",
        "connection.tls",
        "The TLS connection to the server at {where} could not be made.",
        "Check the server's TLS settings and this instance's TLS mode and files.",
        False,
    ),
    (
        r"starting up|shutting down|not yet accepting|in recovery mode",
        "connection.not_ready",
        "The server at {where} is starting up or shutting down.",
        "Try again when it accepts connections.",
        True,
    ),
    (
        r"could not translate host name|name or service not known|no address associated",
        "connection.unknown_host",
        "The host name {host} cannot be resolved.",
        "Correct the host of this instance.",
        False,
    ),
    (
        r"timeout expired|timed out",
        "connection.timeout",
        "The server at {where} did not answer in time.",
        "Check the address, the port and any firewall between.",
        True,
    ),
    (
        r"connection refused|no such file or directory|network is unreachable|no route to host",
        "connection.unreachable",
        "Nothing answers at {where}.",
        "Check that the server runs and listens there, and any firewall between.",
        True,
    ),
)

_STATEMENT: dict[str, tuple[str, str, str, bool]] = {
    "42501": (
        "postgresql.rights",
        "The user {user} at {where} lacks a right needed for {doing}: {text}.",
        "Grant the right, or use a user that has it.",
        False,
    ),
    "57014": (
        "postgresql.statement_ended",
        "The server at {where} ended a statement while {doing}: {text}.",
        "Try again; if it repeats, look for a statement timeout.",
        True,
    ),
    "53400": (
        "postgresql.no_free_slot",
        "The server at {where} has no free replication slot for {doing}.",
        "Raise max_replication_slots, or drop a slot that is no longer needed.",
        False,
    ),
    "53300": (
        "connection.too_many",
        "The server at {where} has no free connection for {doing}.",
        "Try again later, or raise max_connections or max_wal_senders.",
        True,
    ),
    "58P01": (
        "postgresql.wal_removed",
        "The server at {where} no longer has a file needed for {doing}: {text}.",
        "Raise max_slot_wal_keep_size if it is set, then run it again.",
        True,
    ),
}
_GONE = ("57P01", "57P02", "57P03")


def where(address: Address) -> str:
    """`db1:5432`, as people name a server."""
    return f"{address.host}:{address.port}"


def explain_connect(error: psycopg.Error, address: Address, replication: bool) -> ForeseenError:
    """What to tell a person about a failed connection attempt."""
    text = str(error).lower()
    facts = {
        "where": where(address), "host": address.host, "user": address.user, "database": address.database,
    }  # fmt: skip
    for pattern, code, message, action, retry in _CONNECT:
        if re.search(pattern, text, re.DOTALL):
            return ForeseenError(code, message.format(**facts), action.format(**facts), retry=retry)
    purpose = " for replication" if replication else ""
    return ForeseenError(
        "connection.failed",
        f"The server at {facts['where']} could not be connected to{purpose}: {_shown(error, address)}.",
        "Read what the server's log says about this attempt.",
        retry=True,
    )


def explain_statement(error: psycopg.Error, address: Address, doing: str) -> ForeseenError:
    """What to tell a person about a statement that failed while `doing`."""
    state = error.sqlstate or ""
    if (
        state in _GONE
        or state.startswith("08")
        or (isinstance(error, psycopg.OperationalError) and not state)
    ):
        return lost(address, doing)
    code, message, action, retry = _STATEMENT.get(
        state,
        (
            "postgresql.failed",
            "The server at {where} answered with an error while {doing}: {text}.",
            "Read what the server's log says about it.",
            False,
        ),
    )
    text = message.format(where=where(address), user=address.user, doing=doing, text=_shown(error, address))
    return ForeseenError(code, text, action, retry=retry)


def lost(address: Address, doing: str) -> ForeseenError:
    """The server went away."""
    return ForeseenError(
        "connection.lost",
        f"The connection to the server at {where(address)} was lost while {doing}.",
        "Check that the server is up; then run it again.",
        retry=True,
    )


def _shown(error: psycopg.Error, address: Address) -> str:
    text = " ".join((error.diag.message_primary or str(error)).split())
    if address.password:
        text = text.replace(address.password.reveal(), "…")
    return text.rstrip(".")[:300]
