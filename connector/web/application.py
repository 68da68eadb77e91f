"""Flask without what this application has no use for: it is asked thousands of times a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface, SessionMixin


class NoSessions(SessionInterface):
    """No cookies: one empty session for all requests."""

    _empty = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """The empty session, which refuses to be written to."""
        return self._empty

    def is_null_session(self, obj: Any) -> bool:
        """Always: there is nothing to save."""
        return True

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Does nothing."""


class Application(Flask):
    """No sessions, no static files, no redirects to other spellings of a path, no views that are coroutines."""

    session_interface = NoSessions()

    def __init__(self) -> None:
        super().__init__("connector", static_folder=None, template_folder=None)
        self.url_map.merge_slashes = False  # a sender is told that its address is wrong, not sent elsewhere

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is. Flask would ask of every one, every time, whether it is a coroutine."""
        return func

    def serve(self, path: str, view: Callable[..., Response], *methods: str) -> None:
        """Has ``view`` answer these methods at ``path`` (GET brings HEAD with it), and 405 the others."""
        self.add_url_rule(path, path, view, methods=list(methods), provide_automatic_options=False)
