"""The console beside the webhooks: created with its first page, with threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from flask import Response

from connector.core.settings import Settings
from connector.store.database import Database

if TYPE_CHECKING:
    from connector.console.application import ConsoleApp

PREFIX: Final = "/console"
FILE_PAGE: Final = f"{PREFIX}/do-not-contact/file"  #: the one page that takes a file
THREADS: Final = 4
MOST_WAITING: Final = 8
RETRY_AFTER_S: Final = 2


def is_page(path: str) -> bool:
    """Whether an address belongs to the console."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


class Pages:
    """Answers for the console. A process without requests for pages never imports it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._lock = threading.Lock()
        self._app: ConsoleApp | None = None
        self._threads = ThreadPoolExecutor(THREADS, "console")
        self._asked = 0

    def answer(self, environ: dict[str, Any]) -> Response:
        """Answers one request, in the calling thread."""
        app = self._made()
        with app.request_context(environ):
            return app.full_dispatch_request()

    async def in_a_thread(self, environ: dict[str, Any]) -> Response:
        """The same in one of its own threads; refused if too many wait already.

        Call it in the event loop's thread only.
        """
        if self._asked >= THREADS + MOST_WAITING:
            busy = "too many pages are asked for at once: try again in a moment\n"
            return Response(busy, 503, {"Retry-After": str(RETRY_AFTER_S)}, content_type="text/plain; charset=utf-8")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.answer, environ)
        finally:
            self._asked -= 1

    async def pieces(self, answer: Iterable[bytes]) -> AsyncIterator[bytes]:
        """The pieces of a long answer, each made in one of its own threads once the one before was handed over."""
        left = iter(answer)
        loop = asyncio.get_running_loop()
        try:
            while (piece := await loop.run_in_executor(self._threads, next, left, None)) is not None:
                yield piece
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                await loop.run_in_executor(self._threads, close)

    def _made(self) -> ConsoleApp:
        with self._lock:
            if self._app is None:
                from connector.console.app import create
                from connector.web import documents

                factories = {"openapi": documents.openapi, "asyncapi": documents.asyncapi}
                self._app = create(self._settings, self._database, factories)
            return self._app
