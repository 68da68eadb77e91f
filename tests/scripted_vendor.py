"""A vendor with scripted answers over real sockets, for vendors without a sandbox."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

CUT = "cut"  #: hangs up on the request


@dataclass
class Said:
    """An answer. ``after_s``: how long it takes."""

    status: int = 200
    body: Any = None  #: JSON, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0


@dataclass
class Asked:
    """A request, as it came."""

    path: str  #: with its query
    headers: dict[str, str]
    at_s: float


class Vendor:
    """Answers by path: each path's answers in turn, the last one for ever; 404 for all it was not told."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Said | str]] = {}
        self._lock = threading.Lock()

    def tell(self, path: str, *answers: Said | str) -> None:
        """What is answered at ``path`` from now on."""
        with self._lock:
            self._answers[path] = list(answers)

    def paths(self) -> list[str]:
        return [urlsplit(one.path).path for one in self.asked]

    def answer(self, path: str, headers: dict[str, str]) -> Said | str:
        with self._lock:
            self.asked.append(Asked(path, headers, time.monotonic()))
            answers = self._answers.get(urlsplit(path).path, [Said(404, {"message": "not found"})])
            return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def answering() -> Iterator[Vendor]:
    """A vendor that listens."""
    told = Vendor()

    class One(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are written one after the other

        def do_GET(self) -> None:
            said = told.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            if isinstance(said, str):
                self.close_connection = True
                return
            time.sleep(said.after_s)
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"Content-Type": "application/json", **said.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Whoever asked hung up."""

    server = Quiet(("127.0.0.1", 0), One)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """One that listens while the test runs."""
    with answering() as told:
        yield told
