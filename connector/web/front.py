"""The application for a server that speaks ASGI: one thread takes requests as they come, and none waits for a commit.

A thread for each request that waits, as WSGI has it, costs ten switches of context a request, more than all the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from flask import Response

from connector.committer import PATIENCE_S, Reply
from connector.intake import Asked, Intake, Taken
from connector.web.application import BEGIN, Application, Exchange
from connector.web.asked import DRAINED_BYTES, MAX_BODY_BYTES

SMALL_BYTES: Final = 64 * 1024  #: a larger body takes its time: another thread maps it
MOST: Final = 256  #: requests that are handed over together; so many are there only while more come than go
THREADS: Final = 8  #: for what is larger, and for what reads the database

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Front:
    """An ASGI 3 application (https://asgi.readthedocs.io/en/latest/specs/www.html) in front of ours."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(THREADS, "web")
        self._gathering: Gathering | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. What is no HTTP is left alone."""
        if scope["type"] != "http":
            return
        environ = _environ(scope)
        body, is_whole = await _body(environ, receive)
        environ["wsgi.input"] = BytesIO(body)
        swift = len(body) <= SMALL_BYTES and environ["PATH_INFO"].startswith("/webhooks/")
        response = await (self._swiftly(environ) if swift else self._in_a_thread(environ))
        pieces, status, headers = response.get_wsgi_response(environ)
        head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if not is_whole:
            head.append((b"connection", b"close"))  # what is left of it is not to be taken for the next request
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": head})
        await send({"type": "http.response.body", "body": b"".join(pieces)})

    async def _swiftly(self, environ: dict[str, Any]) -> Response:
        loop = asyncio.get_running_loop()
        if self._gathering is None:
            self._gathering = Gathering(loop, self._app.intake)
        known = loop.create_future()
        environ[BEGIN] = partial(self._gathering.begin, known)
        exchange = Exchange(self._app, environ)
        if (answer := exchange.begin()) is not None:
            return answer
        late = loop.call_later(PATIENCE_S, _end, known)
        await known
        late.cancel()
        return exchange.end(patience_s=0.0)

    async def _in_a_thread(self, environ: dict[str, Any]) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self._threads, Exchange(self._app, environ).whole)


class Gathering:
    """What all requests that are there together want stored, handed over together; and told together when it is.

    No request waits for others that have not come yet: it is handed over as soon as the loop has nothing else to do.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, intake: Intake) -> None:
        self._loop = loop
        self._intake = intake
        self._gathered: list[Asked] = []
        self._known: deque[asyncio.Future[None]] = deque()
        self._woken = False

    def begin(self, known: asyncio.Future[None], taken: Taken) -> Reply:
        """Has them stored. In the loop's thread only. ``known`` ends once the reply can be had without waiting."""
        reply = Reply(partial(self._tell, known))
        if not self._gathered:
            self._loop.call_soon(self._hand_over, 0)
        self._gathered.append((taken, reply))
        return reply

    def _hand_over(self, before: int) -> None:
        """Unless more have come since the loop's last turn, when there were so many ``before``."""
        if before < len(self._gathered) < MOST:
            self._loop.call_soon(self._hand_over, len(self._gathered))
            return
        gathered, self._gathered = self._gathered, []
        self._intake.take_all(gathered)

    def _tell(self, known: asyncio.Future[None]) -> None:
        """By the thread that stores."""
        self._known.append(known)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        self._woken = False  # before looking: whoever tells from now on wakes the loop again
        while self._known:
            _end(self._known.popleft())


def _end(known: asyncio.Future[None]) -> None:
    if not known.done():
        known.set_result(None)


# --- the request ----------------------------------------------------------------------------------------------------


def _environ(scope: Scope) -> dict[str, Any]:
    """The scope as WSGI has it (PEP 3333): bytes as latin-1, a header that comes several times joined by commas."""
    path = scope["raw_path"]
    server, client = scope.get("server") or ("", 0), scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = _key(name)
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


@lru_cache(maxsize=1024)
def _key(name: bytes) -> str:
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


async def _body(environ: dict[str, Any], receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether it was read to its end. The length of one that was cut, or is too large, says more bytes.

    What is too large is read and thrown away, up to `DRAINED_BYTES`, so that a sender who reads only after writing
    gets its answer; not where the sender asked first (``Expect: 100-continue``), or announces more than that.
    """
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    length = environ.get("CONTENT_LENGTH", "")
    announced = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
    if not chunked and (not announced or announced > DRAINED_BYTES or _asks_first(environ, announced)):
        return b"", not announced
    pieces: list[bytes] = []
    size, more = 0, True
    while more and size <= DRAINED_BYTES:
        message = await receive()
        if message["type"] != "http.request":  # the sender has left, or sent no HTTP any more
            environ["CONTENT_LENGTH"] = str(size + 1)
            break
        size += len(message["body"])
        if size <= MAX_BODY_BYTES:
            pieces.append(message["body"])
        more = message["more_body"]
    if chunked and not length:
        environ.setdefault("CONTENT_LENGTH", str(size))
        del environ["HTTP_TRANSFER_ENCODING"]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), not more


def _asks_first(environ: dict[str, Any], announced: int) -> bool:
    return "HTTP_EXPECT" in environ and announced > MAX_BODY_BYTES
