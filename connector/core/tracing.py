"""Spans for OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set; else nothing is imported, and nothing happens.

A span is made of each call to a vendor, of one stored batch in ten, and of one request in a hundred; never of a record.
One costs an eighth of a millisecond of processor time, half of what storing a lead does. It says which account, what
kind of call and how many, and nothing of a person: no path, query, body or vendor's words. Names follow OpenTelemetry's
semantic conventions for HTTP, which are stable; ours begin with "connector.".
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from connector.core.errors import ConfigError
from connector.core.version import version

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
REQUESTS: Final = 0.01  #: share of the requests of which a span is made
BATCHES: Final = 0.1  #: of the stored batches
MISSING: Final = (
    "{name} is set, and the packages that send traces are not installed:"
    " pip install 'connector[otel]', or unset it to go on without traces"
)

#: Of each thread: what is known of the call that it is about to make.
_known = threading.local()


class _Off:
    """Tracing that is off: makes no spans."""

    def stop(self) -> None:
        """Nothing is left to send."""


class _Nothing:
    """A span that is none."""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, **facts: Any) -> None:
        """Does nothing."""


_NOTHING: Final = _Nothing()
_tracer: Any = _Off()
is_on = False  #: read by hot paths, which do nothing further while it is False


def start(environ: Mapping[str, str], role: str = "connector") -> None:
    """Begins to make spans if the environment names who takes them. Raises `ConfigError` if their packages are missing.

    Sampling, headers, time limits and attributes of the resource are those of OpenTelemetry's own variables (OTEL_…).
    """
    global _tracer, is_on
    name = next((one for one in ENDPOINTS if environ.get(one)), "")
    if is_on or not name or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as fault:
        raise ConfigError([MISSING.format(name=name)]) from fault
    use(BatchSpanProcessor(OTLPSpanExporter()), role)


def use(sends: Any, role: str = "connector") -> None:
    """Makes spans from now on, and hands them to this one."""
    global _tracer, is_on
    _tracer, is_on = _On(sends, role), True


def stop() -> None:
    """Sends what is left, and makes no more spans."""
    global _tracer, is_on
    was, _tracer, is_on = _tracer, _Off(), False
    was.stop()


@contextlib.contextmanager
def about(**facts: Any) -> Iterator[None]:
    """The calls that this thread makes meanwhile are about this: account, kind, attempt, records."""
    if not is_on:
        yield
        return
    before = getattr(_known, "facts", {})
    _known.facts = {f"connector.{name}": fact for name, fact in facts.items()}
    try:
        yield
    finally:
        _known.facts = before


def call(method: str, url: str) -> Any:
    """The span of one HTTP call to a vendor; of its address only the host and the port are said."""
    if not is_on:
        return _NOTHING
    parts = urlsplit(url)
    facts: dict[str, Any] = {"http.request.method": method, "server.address": parts.hostname or ""}
    with contextlib.suppress(ValueError):
        facts |= {"server.port": parts.port or {"https": 443}.get(parts.scheme, 80)}
    return _tracer.span("client", method, facts | getattr(_known, "facts", {}))


def batch(name: str, number: int) -> Any:
    """The span of a batch that is stored together, now and then."""
    if not is_on or random.random() >= BATCHES:
        return _NOTHING
    return _tracer.span("internal", name, {"connector.batch.size": number})


def request(method: str, route: str, parent: str) -> Any:
    """The span of a request, now and then. ``parent``: its header ``traceparent``; ``route``: no name is in it."""
    if not is_on or random.random() >= REQUESTS:
        return _NOTHING
    return _tracer.span("server", f"{method} {route}", {"http.request.method": method, "http.route": route}, parent)


def ids() -> dict[str, str]:
    """trace_id and span_id for a line of the log; empty outside of any span."""
    return _tracer.ids() if is_on else {}


class _On:
    """OpenTelemetry's tracer, with a provider of its own: other libraries' spans are not ours to send."""

    def __init__(self, sends: Any, role: str) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._propagator = TraceContextTextMapPropagator()
        # Resource.create takes OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES over what is given.
        named = Resource.create({"service.version": version()})
        if str(named.attributes.get("service.name", "")).startswith("unknown_service"):
            named = named.merge(Resource({"service.name": role}))
        self._provider = TracerProvider(resource=named, shutdown_on_exit=True)
        self._provider.add_span_processor(sends)
        self._tracer = self._provider.get_tracer("connector", version())

    @contextlib.contextmanager
    def span(self, kind: str, name: str, facts: Mapping[str, Any], parent: str = "") -> Iterator[Span]:
        around = self._propagator.extract({"traceparent": parent}) if parent else None
        kinds = self._api.SpanKind
        begun = self._tracer.start_as_current_span(
            name,
            context=around,
            kind={"client": kinds.CLIENT, "server": kinds.SERVER}.get(kind, kinds.INTERNAL),
            attributes=dict(facts),
            record_exception=False,  # its text may quote a person
            set_status_on_exception=False,
        )
        with begun as inner:
            span = Span(inner, self._api.StatusCode.ERROR)
            try:
                yield span
            except Exception as fault:
                span.note(**{"error.type": type(fault).__name__})
                raise

    def ids(self) -> dict[str, str]:
        found = self._api.get_current_span().get_span_context()
        if not found.is_valid:
            return {}
        return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}

    def stop(self) -> None:
        self._provider.shutdown()


class Span:
    """A span that is under way."""

    def __init__(self, span: Any, error: Any) -> None:
        self._span = span
        self._error = error

    def note(self, **facts: Any) -> None:
        """Adds what is known of it by now. An ``error.type`` makes it a failed one."""
        for name, fact in facts.items():
            self._span.set_attribute(name, fact)
        if "error.type" in facts:
            self._span.set_status(self._error)
