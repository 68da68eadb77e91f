"""The application for an ASGI server: one thread reads requests as they come, and none waits for a commit.

With WSGI, a thread for each waiting request costs ten context switches a request, more than all the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from flask import Response

from connector.core import tracing
from connector.inbound.committer import PATIENCE_S, Reply
from connector.inbound.intake import Intake, PendingRequest, Submission
from connector.web.app import BEGIN, Application, Exchange
from connector.web.limits import THIN_BODY, WHOLE_BODY
from connector.web.pages import FILE_PAGE, is_page
from connector.web.request import DRAINED_BYTES
from connector.web.responses import NOT_KEPT, problem

SMALL_BYTES: Final = 64 * 1024  #: larger bodies are mapped by another thread, because they take longer
MOST: Final = 256  #: requests, or events, that are handed over together: more are there only while more come than go
THREADS: Final = 8  #: for larger bodies, and as many for views that read the database
OF_ONE_SOURCE: Final = 2  #: larger bodies of one source that are mapped and stored at once
WEBHOOKS: Final = "/webhooks/"
OF_ITS_OWN: Final = ("/livez", "/readyz", "/metrics")  #: answered by threads of their own, even under load
OF_EACH: Final = 2  #: such threads
OWN_PATIENCE_S: Final = 8.0  #: more than `PROBE_S` twice over; probes have given up by then
FEW: Final = 64  #: elements of a body that are mapped in the loop's thread; more are left to another
TRACEPARENT: Final = "HTTP_TRACEPARENT"  #: W3C Trace Context
BEGINNINGS: Final = ("webhooks", "api", "console", "livez", "readyz", "metrics")  #: of addresses that are served
CONNECTION: Final = "connector.connection"  #: in a scope's state: what counts the bytes of a body

_NOT_KEPT: Final = [(name.lower().encode(), value.encode()) for name, value in NOT_KEPT.items()]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Front:
    """An ASGI 3 application (https://asgi.readthedocs.io/en/latest/specs/www.html) in front of ours."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(THREADS, "web")
        self._bodies = ThreadPoolExecutor(THREADS, "bodies")
        self._turns = {name: asyncio.Semaphore(OF_ONE_SOURCE) for name in app.largest_bodies}
        # One for each: what hangs in the database takes no thread from `/livez`.
        self._own = {path: ThreadPoolExecutor(OF_EACH, f"health {path[1:]}") for path in OF_ITS_OWN}
        self._gathering: Gathering | None = None

    def serve(self, app: Application) -> None:
        """Another application, of the same sources, answers the requests that come from now on. Any thread's."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request. Anything but HTTP is ignored."""
        if scope["type"] != "http":
            return
        environ = _environ(scope)
        connection = scope.get("state", {}).get(CONNECTION)
        body, is_whole = await _body(environ, receive, self._largest_body(environ["PATH_INFO"]), connection)
        environ["wsgi.input"] = BytesIO(body)
        try:
            response = await (self._traced if tracing.is_on else self._answer)(environ, len(body))
        finally:
            if connection is not None:
                connection.release()
        pieces, status, headers = _as_sent(response, environ)
        head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if BEGIN in environ:  # see `connector.web.errors`, which adds them to other answers
            head += _NOT_KEPT
        if not is_whole:
            head.append((b"connection", b"close"))  # the unread rest must not be parsed as the next request
        await send({"type": "http.response.start", "status": status, "headers": head})
        if response.is_streamed and self._app.pages is not None:
            async for piece in self._app.pages.pieces(pieces):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.body", "body": b"".join(pieces)})

    def _largest_body(self, path: str) -> int:
        """The largest body that is kept: the source's limit, and little for an unknown source."""
        if path == FILE_PAGE:
            return WHOLE_BODY
        name = path[len(WEBHOOKS) :].partition("/")[0] if path.startswith(WEBHOOKS) else ""
        return self._app.largest_bodies.get(name, THIN_BODY)

    async def _traced(self, environ: dict[str, Any], size: int) -> Response:
        """The same within a span; no name, secret or id of an address is in it."""
        begins, _, rest = environ["PATH_INFO"][1:].partition("/")
        known = begins == "webhooks" and rest.partition("/")[0] in self._app.largest_bodies
        route = f"/webhooks/{rest.partition('/')[0]}" if known else f"/{begins}" if begins in BEGINNINGS else "/"
        with tracing.request(environ["REQUEST_METHOD"], route, environ.get(TRACEPARENT, "")) as span:
            response = await self._answer(environ, size)
            span.note(**{"http.response.status_code": response.status_code})
            return response

    def _answer(self, environ: dict[str, Any], size: int) -> Awaitable[Response]:
        path = environ["PATH_INFO"]
        if path.startswith(WEBHOOKS):
            return self._swiftly(environ) if size <= SMALL_BYTES else self._in_turn(environ)
        if self._app.pages is not None and is_page(path):
            return self._app.pages.in_a_thread(environ)
        return self._in_its_own_thread(environ) if path in OF_ITS_OWN else self._in_a_thread(environ, self._threads)

    async def _swiftly(self, environ: dict[str, Any]) -> Response:
        loop = asyncio.get_running_loop()
        app = self._app
        if self._gathering is None or self._gathering.intake is not app.intake:
            self._gathering = Gathering(loop, app.intake, self._bodies)
        known = loop.create_future()
        environ[BEGIN] = partial(self._gathering.begin, known)
        exchange = Exchange(app, environ)
        if (answer := exchange.begin()) is not None:
            return answer
        late = loop.call_later(PATIENCE_S, _end, known)
        await known
        late.cancel()
        return exchange.end(patience_s=0.0)

    async def _in_turn(self, environ: dict[str, Any]) -> Response:
        """A few of each source at once: so one that sends many large bodies leaves threads to the others."""
        name = environ["PATH_INFO"][len(WEBHOOKS) :].partition("/")[0]
        async with self._turns.get(name) or contextlib.nullcontext():
            return await self._in_a_thread(environ, self._bodies)

    async def _in_its_own_thread(self, environ: dict[str, Any]) -> Response:
        """Answered in time, whatever the database does."""
        answer = self._in_a_thread(environ, self._own[environ["PATH_INFO"]])
        try:
            return await asyncio.wait_for(answer, OWN_PATIENCE_S)
        except TimeoutError:
            return problem(503, "the database does not answer in time", headers=NOT_KEPT)

    def answer_beside(self, scope: Scope) -> bytes:
        """The whole answer for one of `OF_ITS_OWN`, and the connection ends: for a thread beside the loop's."""
        environ = _environ(scope)
        environ["wsgi.input"] = BytesIO()
        pieces, status, headers = Exchange(self._app, environ).whole().get_wsgi_response(environ)
        head = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + b"".join(pieces)

    def beside(self, path: str, call: Callable[[], None]) -> None:
        """Has a call made by one of the path's own threads."""
        self._own[path].submit(call)

    async def _in_a_thread(self, environ: dict[str, Any], threads: ThreadPoolExecutor) -> Response:
        return await asyncio.get_running_loop().run_in_executor(threads, Exchange(self._app, environ).whole)


class Gathering:
    """All requests that arrived since the last turn, stored as one batch and answered together.

    No request waits for later ones: the batch is handed over as soon as the event loop has nothing else to do.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, intake: Intake, threads: ThreadPoolExecutor) -> None:
        """``threads`` map bodies of more than `FEW` elements."""
        self._loop = loop
        self.intake = intake
        self._threads = threads
        self._gathered: list[Submission] = []
        self._known: deque[asyncio.Future[None]] = deque()
        self._woken = False

    def begin(self, known: asyncio.Future[None], pending: PendingRequest) -> Reply:
        """Has them stored. In the loop's thread only. ``known`` ends once the reply can be had without waiting."""
        reply = Reply(partial(self._notify, known))
        if len(pending.payloads) > FEW:
            self._threads.submit(self.intake.take_all, [(pending, reply)])
            return reply
        if not self._gathered:
            self._loop.call_soon(self._hand_over, 0)
        self._gathered.append((pending, reply))
        return reply

    def _hand_over(self, before: int) -> None:
        """Unless more have come since the loop's last turn, when there were so many ``before``."""
        if before < len(self._gathered) < MOST:
            self._loop.call_soon(self._hand_over, len(self._gathered))
            return
        now = self._of_this_turn()
        gathered, self._gathered = self._gathered[:now], self._gathered[now:]
        if self._gathered:
            self._loop.call_soon(self._hand_over, len(self._gathered))
        self.intake.take_all(gathered)

    def _of_this_turn(self) -> int:
        """How many requests: others wait for the loop meanwhile."""
        events = 0
        for number, (pending, _) in enumerate(self._gathered):
            events += len(pending.payloads)
            if events > MOST:
                return max(1, number)
        return len(self._gathered)

    def _notify(self, known: asyncio.Future[None]) -> None:
        """Notifies the loop; called by the thread that stores."""
        self._known.append(known)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        self._woken = False  # set before reading: a completion from now on wakes the loop again
        while self._known:
            _end(self._known.popleft())


def _end(known: asyncio.Future[None]) -> None:
    if not known.done():
        known.set_result(None)


# --- the answer -----------------------------------------------------------------------------------------------------


def _as_sent(response: Response, environ: dict[str, Any]) -> tuple[Iterable[bytes], int, Iterable[tuple[str, str]]]:
    """Body, status and headers.

    The answer to a webhook is whole and has its length: werkzeug would look again for what it may have to correct.
    """
    if environ["REQUEST_METHOD"] == "POST" and response.is_sequence and environ["PATH_INFO"].startswith(WEBHOOKS):
        return response.iter_encoded(), response.status_code, response.headers
    pieces, status, headers = response.get_wsgi_response(environ)
    return pieces, int(status[:3]), headers


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
        key = _USUAL.get(name) or _key(name)
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


def _key(name: bytes) -> str:
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


#: Headers of most requests -> their names in an environment. Nothing is added: any other name is a stranger's text.
_USUAL: Final = {
    name: _key(name)
    for name in (
        b"host",
        b"user-agent",
        b"accept",
        b"accept-encoding",
        b"connection",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"authorization",
        b"traceparent",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-request-id",
        b"webhook-id",
        b"webhook-timestamp",
        b"webhook-signature",
    )
}


class Counted(Protocol):
    """A connection with bodies that are counted until they are proved."""

    def hold(self, size: int) -> None:
        """Counts further bytes that are kept."""

    def release(self) -> None:
        """Releases all of them."""


async def _body(
    environ: dict[str, Any], receive: Receive, largest: int, connection: Counted | None = None
) -> tuple[bytes, bool]:
    """The body, and whether it was read completely. For a cut or too large one the length says more bytes.

    A too large body is read and discarded, up to `DRAINED_BYTES`, so that a sender that reads only after writing gets
    its answer; unless the sender asked first (``Expect: 100-continue``), or announces more than that.
    """
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    length = environ.get("CONTENT_LENGTH", "")
    announced = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
    asks_first = "HTTP_EXPECT" in environ and announced > largest
    if not chunked and (not announced or announced > DRAINED_BYTES or asks_first):
        return b"", not announced
    pieces: list[bytes] = []
    size, more = 0, True
    while more and size <= DRAINED_BYTES:
        message = await receive()
        if message["type"] != "http.request":  # the sender has left, or sent no HTTP any more
            environ["CONTENT_LENGTH"] = str(size + 1)
            break
        size += len(message["body"])
        more = message["more_body"]
        if size > largest or announced > largest:
            pieces.clear()
            if connection is not None:
                connection.release()
        else:
            pieces.append(message["body"])
            if connection is not None and more:
                connection.hold(len(message["body"]))
    if chunked and not length:
        environ.setdefault("CONTENT_LENGTH", str(size))
        del environ["HTTP_TRANSFER_ENCODING"]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), not more
