"""What pg_dump, pg_restore and vacuumdb say: what may be ignored, by name, and what an error means. Pure.

pg_restore stops at its first error, so an error is never ignored; what remains are warnings, each of which is
either known here or shown as it is.
"""

from __future__ import annotations

import re

from dataprotect.core.errors import ForeseenError

_IGNORABLE: tuple[tuple[str, str], ...] = (
    ("circular foreign keys: rows are loaded before the keys are made", r"circular foreign-key constraints"),
    ("hint of the message before it", r"(^|: )(hint|detail): |^You might not be able|^Consider using"),
    ("the extension is part of every database", r"extension \"plpgsql\" already exists"),
    (
        "tables of others are not analysed by this account",
        r"permission denied to analyze|only .+ analyze",
    ),
    ("names the entry of the message before it", r"from TOC entry|while (PROCESSING|INITIALIZING)"),
    ("a count of warnings that were each shown", r"(warning|warnings): errors ignored on restore: 0"),
)
_Rule = tuple[str, str, str, str]
"""Pattern in the message, code, sentence, action. {text} is the program's own message."""
_ERRORS: tuple[_Rule, ...] = (
    (
        r"role \"[^\"]*\" does not exist",
        "replace.role_missing",
        "The server lacks a role that the database refers to: {text}.",
        "Create the role, or ask for missing roles to be created.",
    ),
    (
        r"extension \"[^\"]*\" is not available|could not open extension control file|could not access file",
        "replace.extension_missing",
        "The server lacks an extension or library that the database uses: {text}.",
        "Install the extension's package on the server.",
    ),
    (
        r"tablespace \"[^\"]*\" does not exist",
        "replace.tablespace_missing",
        "The server lacks a tablespace that the database uses: {text}.",
        "Create the tablespace on the server.",
    ),
    (
        r"out of shared memory|max_locks_per_transaction",
        "replace.locks",
        "A server's lock table is full: {text}.",
        "Raise max_locks_per_transaction, which takes a restart, or load at a quieter time.",
    ),
    (
        r"permission denied|must be (owner|superuser|member)|must have|only superuser",
        "replace.rights",
        "The restore account lacks a right: {text}.",
        "Grant it, or use a superuser as the restore account of this instance.",
    ),
    (
        r"password authentication failed|no password supplied|fe_sendauth",
        "connection.password",
        "The server refused the password of the restore account.",
        "Enter the right restore account and password for this instance.",
    ),
    (
        r"terminating connection|server closed the connection|Connection refused|could not connect"
        r"|connection to server .* failed",
        "connection.lost",
        "The connection to a server was lost while the database was loaded: {text}.",
        "Check that the server is up; then run it again.",
    ),
)


def ignorable(line: str) -> str | None:
    """The name of the rule by which this line does not matter; None when there is none."""
    return next((name for name, pattern in _IGNORABLE if re.search(pattern, line, re.IGNORECASE)), None)


def sorted_out(stderr: str) -> list[str]:
    """Every line a program left, those that do not matter with the name of their rule."""
    found = []
    for line in filter(None, (each.strip() for each in stderr.splitlines())):
        rule = ignorable(line)
        found.append(f"{line[:200]} ({rule})" if rule else line[:300])
    return found


def explained(program: str, stderr: str) -> ForeseenError:
    """The first error among what the program said, as a sentence with something to do."""
    text = first_error(stderr)
    if program == "pg_dump" and "No space left" in text and "ERROR:" not in text:
        return ForeseenError(
            "replace.spool_full",
            f"The worker's spool has no room for the dump: {text}.",
            "Free space in the spool, or choose another place for it; the database in use was not touched.",
        )
    if re.search(r"could not extend file|No space left on device|disk full", text, re.IGNORECASE):
        return no_room(text)
    for pattern, code, message, action in _ERRORS:
        if re.search(pattern, text, re.IGNORECASE):
            retry = code in ("connection.lost", "replace.locks")
            return ForeseenError(code, message.format(text=text), action, retry=retry)
    return ForeseenError(
        "replace.load_failed",
        f"{program} stopped at the first thing that is not known to be harmless: {text}.",
        "Read the message; the database in use was not touched, and what was loaded is gone.",
    )


def no_room(text: str) -> ForeseenError:
    return ForeseenError(
        "replace.no_room",
        f"The server has no room for the staged database: {text}.",
        "Free space on the server's disk; the database in use was not touched, and what was loaded is gone.",
    )


def first_error(stderr: str) -> str:
    """The line that says what went wrong, with the server's detail after it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    wrong = [number for number, line in enumerate(lines) if re.search(r"\b(error|FATAL|ERROR): ", line)]
    if not wrong:
        return (lines[-1] if lines else "it said nothing")[:400].rstrip(".")
    start = wrong[0]
    detail = [line for line in lines[start + 1 : start + 3] if line.startswith(("DETAIL", "HINT", "detail"))]
    text = re.sub(r"^\w+: (error: )?", "", lines[start])
    return " ".join([text, *detail])[:600].rstrip(".")
