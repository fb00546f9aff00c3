"""Second factors as a person has them: an app that shows codes, a key that answers the browser."""

from __future__ import annotations

import base64
import time

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import CDPSession, Page

PERIOD = 30


class App:
    """The app on the telephone: RFC 6238 by another implementation than the server's. Each code once."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._totp = TOTP(base64.b32decode(secret), 6, SHA1(), PERIOD, enforce_key_length=False)
        self._shown: set[str] = set()

    def code(self) -> str:
        """Of the step before, now, or after (a server takes all three): one that was not used yet."""
        now = int(time.time())
        for ahead in (0, PERIOD, -PERIOD):
            code = self._totp.generate(now + ahead).decode()
            if code not in self._shown:
                self._shown.add(code)
                return code
        raise AssertionError("three codes within half a minute are used up")


class Key:
    """A security key in the browser's virtual reader, for this page."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "usb",
            "hasResidentKey": False,
            "hasUserVerification": False,
            "automaticPresenceSimulation": True,
        }
        answer = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = answer["authenticatorId"]

    def pull_out(self) -> None:
        self._session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self._id})
