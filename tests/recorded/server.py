"""The recording server. It imports nothing of the product: what it knows are the documents, as data."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: Status, content type, body. None: the connection is cut without a word.
Answer = tuple[int, str, bytes] | None


def said(body: Any, status: int = 200, kind: str = "application/json") -> Answer:
    """An answer of a vendor: bytes as they are, anything else as JSON."""
    return status, kind, body if isinstance(body, bytes) else json.dumps(body).encode()


@dataclass
class Recorder:
    """What was seen, and what is answered: the same to every request, or what ``answers`` finds for one."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer: Answer = (200, "application/json", b"{}")
    answers: Callable[[Seen], Answer] | None = None

    def says(self, body: Any, status: int = 200, kind: str = "application/json") -> None:
        self.answer = said(body, status, kind)

    def reply(self, seen: Seen) -> Answer:
        return self.answers(seen) if self.answers else self.answer

    def of(self, path: str) -> list[Seen]:
        """The requests to one path, oldest first."""
        return [one for one in self.seen if one.path == path]

    @property
    def last(self) -> Seen:
        return self.seen[-1]


@contextmanager
def recording() -> Iterator[Recorder]:
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorder.seen.append(Seen(self.command, self.path, headers, body))
            answer = recorder.reply(recorder.last)
            if answer is None:
                self.close_connection = True
                return
            status, kind, content = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _any  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
