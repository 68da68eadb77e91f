"""Flask without what this application has no use for, and with answers that need nobody to wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.routing import Map, MapAdapter, Rule

from connector.committer import PATIENCE_S
from connector.intake import Intake

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: In a request's environment, where there is a better way: what to call instead of `Intake.begin`.
BEGIN: Final = "connector.begin"


@dataclass(frozen=True, slots=True)
class Later:
    """What a view returns when the answer is not known yet. ``answer`` gives it, or waits for it so many seconds."""

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
        super().__init__("connector", static_folder=None, template_folder=None)
        self.url_map.merge_slashes = False  # a sender is told that its address is wrong, not sent elsewhere
        self._plain: _Plain = {}

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the view. Flask's own looks at host names too, which say nothing here."""
        if request is None:
            return super().create_url_adapter(request)
        return _Finder(self._plain, self.url_map, request.environ)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is. Flask would ask of every one, every time, whether it is a coroutine."""
        return func

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
        """One thread a request, which waits for whatever it takes."""
        return Exchange(self, environ).whole()(environ, start_response)

    def begin(self) -> Response | Later:
        """What the view of the current request says, or what is said of its fault."""
        try:
            said = self.preprocess_request()
            said = self.dispatch_request() if said is None else said
        except Exception as fault:  # noqa: BLE001 - answered as `connector.web.faults` has it
            said = self.handle_user_exception(fault)
        return said if isinstance(said, Later) else self.finalize_request(said)

    def end(self, later: Later, patience_s: float) -> Response:
        """The same, of what had to be waited for."""
        try:
            said: Any = later.answer(patience_s)
        except Exception as fault:  # noqa: BLE001 - answered as `connector.web.faults` has it
            said = self.handle_user_exception(fault)
        return self.finalize_request(said)


_Plain = dict[tuple[str, str], tuple[Rule, dict[str, str]]]


class _Finder(MapAdapter):
    """Looks first among the few addresses that nearly all requests are for.

    werkzeug's search makes garbage in circles for each request, and collecting it costs more than the search.
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
    """A request and its answer, in two steps: between them no thread has to wait.

    Each step sees the context variables as the one before left them, whatever ran in between.
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
        """The answer; None when it is not known yet, and `end` has to be called."""
        return self._context.run(self._begin)

    def end(self, *, patience_s: float = PATIENCE_S) -> Response:
        """The answer, waited for if it is asked for too early."""
        return self._context.run(self._end, patience_s)

    def _begin(self) -> Response | None:
        self._request.push()
        said = self._app.begin()
        if isinstance(said, Later):
            self._later = said
            return None
        self._request.pop()
        return said

    def _end(self, patience_s: float) -> Response:
        assert self._later is not None, "there is nothing to wait for"
        said = self._app.end(self._later, patience_s)
        self._request.pop()
        return said
