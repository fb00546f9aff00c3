"""Sending one message to one address through Apprise, and never saying the address.

An Apprise address carries tokens and passwords (`slack://TokenA/TokenB/…`), and Apprise as well as the HTTP
libraries below it would write parts of it into their logs. So their loggers are shut here, what they say is
reduced to an HTTP status, and the pieces of an opened address are masked in everything this process logs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import apprise
from apprise.common import NotifyType, PersistentStoreMode

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.core.secrets import Secret
from dataprotect.ops.alert_states import Severity
from dataprotect.ops.masking import remember

_STATUS = re.compile(r"error=(\d{3})\b")
_SHORTEST_TOKEN = 12
_LONGEST_ADDRESS = 4000
_KINDS = {
    Severity.CRITICAL: NotifyType.FAILURE,
    Severity.WARNING: NotifyType.WARNING,
    Severity.INFO: NotifyType.INFO,
}
# They act on the desktop or the log of this machine, where nobody who should be told sees them.
_LOCAL_ONLY = frozenset({"dbus", "qt", "kde", "glib", "gnome", "macosx", "windows", "syslog", "growl"})


def service_of(url: Secret) -> str:
    """`slack`, `mailtos`, `json`…: the kind of place, which is all anybody is shown.

    Raises InvalidInput `url` for what Apprise does not understand; the address is not repeated.
    """
    service = urlsplit(url.reveal().strip()).scheme.lower()
    if len(url.reveal()) > _LONGEST_ADDRESS or service in _LOCAL_ONLY:
        raise _not_an_address()
    _target(url)
    return service[:60]


def send(url: Secret, *, title: str, body: str, severity: Severity, resolved: bool = False) -> None:
    """Hand one message over; returns when the service has taken it. Waits a few seconds at most.

    Raises ForeseenError `alert.not_sent` (worth another try) or InvalidInput `url`.
    """
    target = _target(url)
    kind = NotifyType.SUCCESS if resolved else _KINDS[severity]
    with _listening() as heard:
        try:
            taken = bool(target.notify(body=body or title, title=title, notify_type=kind))
        except Exception as error:  # noqa: BLE001  a plug-in's own error may carry the address: only its kind is told
            raise _not_sent(f"the message could not be made ({type(error).__name__})") from None
    if not taken:
        raise _not_sent(heard.words())


def silence() -> None:
    """Apprise and the HTTP libraries say nothing in any log, whatever LOG_LEVEL is."""
    for name in ("apprise", "requests", "urllib3", "requests_oauthlib", "oauthlib"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


class _Heard(logging.Handler):
    """Keeps the HTTP status of a refusal and nothing else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status = ""

    def emit(self, record: logging.LogRecord) -> None:
        found = _STATUS.search(record.getMessage())
        self.status = found.group(1) if found else self.status

    def words(self) -> str:
        if self.status:
            return f"the service answered with the status {self.status}"
        return "the service could not be reached, or refused it"


@contextmanager
def _listening() -> Iterator[_Heard]:
    silence()
    heard, logger = _Heard(), logging.getLogger("apprise")
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)


def _target(url: Secret) -> apprise.Apprise:
    """Nothing is kept on disk and no redirect is followed: a token goes to the named host alone."""
    silence()
    _remember_pieces(url.reveal())
    asset = apprise.AppriseAsset(storage_mode=PersistentStoreMode.MEMORY)
    asset.app_id, asset.app_desc = "DataProtect", "DataProtect alerts"
    asset.http_redirects = False
    asset.pem_autogen = asset.pgp_autogen = False
    found = apprise.Apprise(asset=asset)
    try:
        understood = bool(url.reveal().strip()) and found.add(url.reveal().strip())
    except Exception:  # noqa: BLE001  a plug-in's own error may carry the address
        understood = False
    if not understood or len(found) != 1:
        raise _not_an_address()
    return found


def _remember_pieces(address: str) -> None:
    """Mask what only this address has: its password, and every part long enough to be a token.

    Names of hosts stay readable: masking them would tear holes into lines about something else.
    """
    remember(address)
    remember(address.partition("://")[2])
    remember(urlsplit(address).password or "")
    for part in re.split(r"[/?&=:@,]+", address.partition("://")[2]):
        if len(part) >= _SHORTEST_TOKEN and "." not in part:
            remember(part)
            remember(unquote(part))


def _not_an_address() -> InvalidInput:
    return InvalidInput(
        "url", "Expected one address of a service, such as slack://…, mailtos://… or jsons://host/path."
    )


def _not_sent(why: str) -> ForeseenError:
    return ForeseenError(
        "alert.not_sent",
        f"The message was not sent: {why}.",
        "Check the channel's address and that this machine may reach the service; it is tried again.",
        retry=True,
    )
