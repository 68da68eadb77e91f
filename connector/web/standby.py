"""Health and metrics while the server's own loop is busy: a thread beside it answers them.

The loop is asked for a sign of life forty times a second. While it owes one, this thread accepts in its place: it
answers what asks for health or metrics, and keeps all others for the loop, unread. It looks as well at connections of
the loop that wait for their next request. It never waits for a sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import httptools

from connector.core.log import get
from connector.web.limits import most_connections

BEAT_S: Final = 0.025
HEAD_S: Final = 0.5  #: for a head to come; what takes longer is left to the loop, which has limits for it
HEAD_BYTES: Final = 8 * 1024  #: of a head that is answered here
ANSWER_S: Final = 2.0  #: for an answer to be taken

log = get("web")


class Kept(Protocol):
    """A connection of the loop that waits for a request, of which nothing has been read."""

    descriptor: int  #: of its socket

    def lend(self) -> None:
        """It is answered here, and ends then."""


class Standby:
    """A server beside one listening socket. ``answer`` is called by threads of ``submit``."""

    def __init__(
        self,
        listening: socket.socket,
        paths: tuple[str, ...],
        submit: Callable[[str, Callable[[], None]], object],
        answer: Callable[[dict[str, Any]], bytes],
    ) -> None:
        """``submit`` has a call made by a thread of that path's own."""
        self._listening = listening
        self._begins = tuple(f"{method} {path}".encode() for path in paths for method in ("GET", "HEAD"))
        self._paths = frozenset(paths)
        self._submit = submit
        self._answer = answer
        self._most = most_connections()
        self._new: deque[tuple[socket.socket, float]] = deque()  #: accepted here, and when; not read yet
        self._kept: deque[socket.socket] = deque()  #: for the loop
        self._owes = False  #: the loop was asked for a sign of life, and has given none
        self._waiting: Callable[[], Iterable[Kept]] = tuple
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        adopt: Callable[[socket.socket], object],
        waiting: Callable[[], Iterable[Kept]] = tuple,
    ) -> None:
        """Begins. ``adopt`` is called in the loop for each connection that is left to it; ``waiting`` by any thread."""
        self._listening.setblocking(False)
        self._waiting = waiting
        self._thread = threading.Thread(target=self._run, args=(loop, adopt), name="standby", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; what was accepted and not answered is hung up on."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        for line in (*(line for line, _ in self._new), *self._kept):
            line.close()

    def _run(self, loop: asyncio.AbstractEventLoop, adopt: Callable[[socket.socket], object]) -> None:
        def beat() -> None:
            self._owes = False
            while self._kept:
                adopt(self._kept.popleft())

        while not self._stopping.wait(BEAT_S):
            try:
                self._turn()
            except Exception:  # the loop needs somebody beside it as long as it is there
                log.exception("what waits beside the loop could not be looked at")
            if not self._owes:
                self._owes = True
                try:
                    loop.call_soon_threadsafe(beat)
                except RuntimeError:  # the loop has ended
                    return

    def _turn(self) -> None:
        if self._owes:
            self._accept()
            self._look_at_kept()
        self._look(is_late=self._owes)

    def _accept(self) -> None:
        """Takes what waits to be accepted; the oldest goes where they are too many."""
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                line.setblocking(False)
                self._new.append((line, time.monotonic()))
                if len(self._new) + len(self._kept) > self._most:
                    self._drop_oldest()

    def _drop_oldest(self) -> None:
        try:
            self._kept.popleft().close()
        except IndexError:  # the loop was faster
            self._new.popleft()[0].close()

    def _look(self, *, is_late: bool) -> None:
        """Decides about each that was accepted here, by what it has sent so far."""
        for _ in range(len(self._new)):
            line, since = self._new.popleft()
            try:
                seen = line.recv(HEAD_BYTES, socket.MSG_PEEK)
            except BlockingIOError:
                seen = b""
            except OSError:
                line.close()
                continue
            end = seen.find(b"\r\n\r\n")
            may_be_ours = any(seen.startswith(one) or one.startswith(seen) for one in self._begins)
            if end >= 0 and may_be_ours and (scope := self._scope(seen[: end + 4])) is not None:
                line.recv(end + 4)
                self._submit(scope["path"], lambda line=line, scope=scope: self._say(line, scope))  # type: ignore[misc]
            elif is_late and may_be_ours and end < 0 and time.monotonic() - since < HEAD_S:
                self._new.append((line, since))
            else:
                self._kept.append(line)

    def _look_at_kept(self) -> None:
        """Answers on connections of the loop whose next request, or first one, waits unread."""
        kept = {one.descriptor: one for one in self._waiting()}
        ready = select.poll()
        for descriptor in kept:
            ready.register(descriptor, select.POLLIN)
        for descriptor, _ in ready.poll(0):
            with contextlib.suppress(OSError):
                self._answer_on(kept[descriptor])

    def _answer_on(self, one: Kept) -> None:
        """Raises `OSError` if it has ended, or if the loop was faster."""
        # Of the same socket: the loop may close its own at any time, and its number may become that of another.
        line = socket.fromfd(one.descriptor, socket.AF_INET, socket.SOCK_STREAM)
        try:
            seen = line.recv(HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            is_ours = seen.startswith(self._begins) and seen.find(b"\r\n\r\n") == len(seen) - 4
            if is_ours and (scope := self._scope(seen)) is not None:
                taken = line.recv(len(seen), socket.MSG_DONTWAIT)
                one.lend()
                if taken == seen:
                    answered = line.dup()
                    self._submit(scope["path"], lambda: self._say(answered, scope))
                else:  # the loop answered, and the beginning of what came then was taken from it
                    line.shutdown(socket.SHUT_RDWR)
        finally:
            line.close()

    def _scope(self, head: bytes) -> dict[str, Any] | None:
        """Of a whole head for one of our paths; None for any other, and for what is no HTTP."""
        found = _Found()
        parser = httptools.HttpRequestParser(found)
        try:
            parser.feed_data(head)
            url = httptools.parse_url(found.url)
        except httptools.HttpParserError:
            return None
        path = (url.path or b"").decode("latin-1")
        if path not in self._paths or parser.should_upgrade():
            return None
        return {
            "type": "http",
            "http_version": parser.get_http_version(),
            "method": parser.get_method().decode("latin-1"),
            "scheme": "http",
            "path": path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": [(name.lower(), value) for name, value in found.headers if b"_" not in name],
        }

    def _say(self, line: socket.socket, scope: dict[str, Any]) -> None:
        with line, contextlib.suppress(OSError):
            line.settimeout(ANSWER_S)
            line.sendall(self._answer(scope))
            line.shutdown(socket.SHUT_RDWR)  # the loop may have the same socket


class _Found:
    """The callbacks of a request parser."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))
