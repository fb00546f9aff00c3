"""HTTP smoke tests against a real server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dataprotect.engine.databases.postgresql.replacement import smoke
from dataprotect.engine.replace_model import SmokeTest


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/fine")
            self.end_headers()
            return
        self.send_response(503 if self.path == "/ill" else 200)
        self.end_headers()
        if self.path == "/endless":
            threading.Event().wait(2)
        else:
            self.wfile.write(b"x" * 70_000 + b"late" if self.path == "/long" else b"all is well")

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "expected", "passed", "found"),
    [
        ("/fine", "well", True, "status 200"),
        ("/fine", "ill", False, "status 200, without that text"),
        ("/ill", "", False, "status 503"),
        ("/away", "well", False, "status 302"),
        ("/long", "late", False, "status 200, without that text"),
        ("/endless", "", False, "no answer (TimeoutError)"),
    ],
)
def test_an_answer_is_judged(place: str, path: str, expected: str, passed: bool, found: str) -> None:
    question = SmokeTest("http", "it", url=f"http://{place}{path}", expected=expected, timeout_seconds=0.5)
    check = smoke.ask_http(question, {place})
    assert (check.passed, check.found) == (passed, found)
