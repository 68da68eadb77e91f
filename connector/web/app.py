"""Flask without the parts that this application does not use, and with deferred responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import Map, MapAdapter, Rule

from connector.inbound.committer import PATIENCE_S
from connector.inbound.intake import Intake
from connector.web.pages import Pages, is_page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: In a request's environment, where there is a better way: what to call instead of `Intake.begin`.
BEGIN: Final = "connector.begin"


@dataclass(frozen=True, slots=True)
class Later:
    """A deferred response. ``answer`` returns it, waiting up to the given number of seconds."""

    answer: Callable[[float], Response]


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

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.largest_bodies: dict[str, int] = {}  #: bytes, by source
        self.pages: Pages | None = None
        super().__init__("connector", static_folder=None, template_folder=None)
        self.url_map.merge_slashes = False  # a sender with a wrong address is refused, not redirected
        self._plain: _Plain = {}

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The URL adapter that finds the view. Flask's own also matches host names, which mean nothing here."""
        if request is None:
            return super().create_url_adapter(request)
        return _Finder(self._plain, self.url_map, request.environ)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function unchanged. Flask would test each time whether it is a coroutine."""
        return func

    def preprocess_request(self) -> Any:
        """Runs what is registered for every request. Flask's own also asks blueprints, of which there are none."""
        for func in self.before_request_funcs.get(None, ()):
            if (response := func()) is not None:
                return response
        return None

    def process_response(self, response: Response) -> Response:
        """The same behind a view: no blueprints, no sessions, no functions for a single request."""
        for func in reversed(self.after_request_funcs.get(None, ())):
            response = cast(Response, func(response))
        return response

    def serve(self, path: str, view: Callable[..., Response | Later], *methods: str) -> None:
        """Has ``view`` answer these methods at ``path`` (GET brings HEAD with it), and 405 the others."""
        rule: Any = view  # Flask knows no `Later`, and never sees one: see `begin`
        self.add_url_rule(path, path, rule, methods=list(methods), provide_automatic_options=False)

    def serve_names(self, path: str, names: Iterable[str]) -> None:
        """Has these names found at once where ``path`` (``/webhooks/<source>``, served already) asks for one."""
        rule = next(rule for rule in self.url_map.iter_rules() if rule.rule == path)
        argument = next(iter(rule.arguments))
        for name in names:
            for method in rule.methods or ():
                self._plain[method, path.replace(f"<{argument}>", name)] = (rule, {argument: name})

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """WSGI: one thread for each request, which waits for its result."""
        if self.pages is not None and is_page(environ["PATH_INFO"]):
            return self.pages.answer(environ)(environ, start_response)
        return Exchange(self, environ).whole()(environ, start_response)

    def begin(self) -> Response | Later:
        """The response of the current request's view, or of its error."""
        try:
            response = self.preprocess_request()
            response = self.dispatch_request() if response is None else response
        except Exception as fault:  # noqa: BLE001 - answered as `connector.web.faults` has it
            response = self.handle_user_exception(fault)
        return response if isinstance(response, Later) else self.finalize_request(response)

    def end(self, later: Later, patience_s: float) -> Response:
        """The same for a deferred response."""
        try:
            response: Any = later.answer(patience_s)
        except Exception as fault:  # noqa: BLE001 - answered as `connector.web.faults` has it
            response = self.handle_user_exception(fault)
        return self.finalize_request(response)


_Plain = dict[tuple[str, str], tuple[Rule, dict[str, str]]]


class _Finder(MapAdapter):
    """Matches the few addresses of nearly all requests first.

    werkzeug's matching creates cyclic garbage for each request, and collecting it costs more than the matching.
    """

    def __init__(self, plain: _Plain, rules: Map, environ: WSGIEnvironment) -> None:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        text = path.encode("latin-1").decode(errors="replace") if not path.isascii() else path
        super().__init__(rules, "", "/", None, environ["wsgi.url_scheme"], text, method, environ.get("QUERY_STRING"))
        self._found = plain.get((method, path))

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """The rule and its arguments, as Flask asks for them. Raises werkzeug's own."""
        if self._found is None or not kwargs.get("return_rule"):
            return super().match(*args, **kwargs)
        rule, arguments = self._found
        return rule, dict(arguments)


class Exchange:
    """A request and its response in two steps, with no thread waiting between them.

    Each step sees the context variables as the previous one left them.
    """

    __slots__ = ("_app", "_context", "_later", "_request")

    def __init__(self, app: Application, environ: WSGIEnvironment) -> None:
        self._app = app
        self._context = copy_context()
        self._request = app.request_context(environ)
        self._later: Later | None = None

    def whole(self) -> Response:
        """The answer, waited for if need be."""
        return self.begin() or self.end()

    def begin(self) -> Response | None:
        """The response; None if it is deferred: then `end` has to be called."""
        return self._context.run(self._begin)

    def end(self, *, patience_s: float = PATIENCE_S) -> Response:
        """The deferred response; waits if it is called too early."""
        return self._context.run(self._end, patience_s)

    def _begin(self) -> Response | None:
        self._request.push()
        response = self._app.begin()
        if isinstance(response, Later):
            self._later = response
            return None
        self._request.pop()
        return response

    def _end(self, patience_s: float) -> Response:
        assert self._later is not None, "there is nothing to wait for"
        response = self._app.end(self._later, patience_s)
        self._request.pop()
        return response
