"""Spans: none without an address for them, one a call and a batch with one, and never a person in any."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connector.core import log, tracing
from connector.core.errors import ConfigError
from connector.core.http import Client, NotSent
from connector.inbound.committer import Committer
from connector.store.database import Database
from connector.vendors.destinations import name_of
from connector.web.asgi import Front
from connector.web.uvicorn_server import Served
from connector.web.wsgi import create_app
from tests.conftest import settings_for
from tests.connector_steps import World
from tests.test_console import one

PERSON = ("Zenobia", "Quisquilla", "3152223344", "zenobia@quisquilla.example")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setattr(tracing, "REQUESTS", 1.0)
    monkeypatch.setattr(tracing, "BATCHES", 1.0)
    made = InMemorySpanExporter()
    tracing.use(SimpleSpanProcessor(made))
    yield made
    tracing.stop()


@pytest.fixture
def vendor() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(400 if "refuse" in self.path else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def facts(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_call_is_one_span_with_what_it_is_about(spans: InMemorySpanExporter, vendor: str) -> None:
    client = Client({"token": "invented"})
    with tracing.about(account="dialler", kind="send", attempt=45, records=12):
        client.call("POST", f"{vendor}/v2/{PERSON[2]}?name={PERSON[0]}", body=json.dumps(PERSON).encode())
        client.call("POST", f"{vendor}/refuse")
    client.call("POST", f"{vendor}/alone")
    client.close()
    first, second, third = spans.get_finished_spans()
    assert first.name == "POST" and first.kind.name == "CLIENT" and first.status.status_code.name == "UNSET"
    expected = {"http.request.method": "POST", "server.address": "127.0.0.1", "http.response.status_code": 200}
    expected |= {"connector.account": "dialler", "connector.kind": "send", "connector.attempt": 45}
    assert expected.items() <= facts(first).items() and facts(first)["connector.records"] == 12
    assert second.status.status_code.name == "ERROR" and facts(second)["error.type"] == "400"
    assert "connector.account" not in facts(third)
    assert not [word for span in (first, second, third) for word in (*PERSON, "invented") if word in span.to_json()]


def test_a_call_that_fails_says_so_without_its_address(spans: InMemorySpanExporter) -> None:
    client = Client({}, timeout_s=5)
    with pytest.raises(NotSent):
        client.call("GET", f"http://127.0.0.1:1/{PERSON[2]}")
    client.close()
    (span,) = spans.get_finished_spans()
    assert span.status.status_code.name == "ERROR" and facts(span)["error.type"]
    assert not span.events and PERSON[2] not in span.to_json()


def test_a_batch_is_one_span_however_many_are_in_it(spans: InMemorySpanExporter, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    world = World(settings_for(sqlite_url, "http://127.0.0.1:9"), database)
    raw = json.dumps([one(number, first_name=PERSON[0]) for number in range(50)]).encode()
    source = world.settings.sources["landing"]
    arrivals, _ = world.receiver.arrivals(source, raw, content_type="application/json", headers={})
    committer = Committer(database)
    committer.put(arrivals)
    committer.close()
    database.close()
    (span,) = spans.get_finished_spans()
    assert span.name == "store events" and PERSON[0] not in span.to_json()


def test_a_request_continues_its_sender_s_trace_and_names_no_secret(
    spans: InMemorySpanExporter, sqlite_url: str
) -> None:
    import requests

    settings = settings_for(sqlite_url, "http://127.0.0.1:9")
    database = Database(sqlite_url)
    committer = Committer(database)
    served = Served(Front(create_app(settings, database, name_of, committer)), "127.0.0.1", 0, shared=False)
    served.start()
    try:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        base = f"http://127.0.0.1:{served.port}"
        with requests.Session() as session:
            session.trust_env = False
            headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
            session.post(f"{base}/webhooks/landing/{PERSON[2]}?x={PERSON[0]}", headers=headers, data=b"{}", timeout=30)
            session.get(f"{base}/{PERSON[2]}", timeout=30)
            session.post(f"{base}/webhooks/{PERSON[0]}", data=b"{}", timeout=30)
    finally:
        served.stop(5)
        committer.close()
        database.close()
    made = [span for span in spans.get_finished_spans() if span.kind.name == "SERVER"]
    assert [facts(span)["http.route"] for span in made] == ["/webhooks/landing", "/", "/webhooks"]
    assert f"{made[0].context.trace_id:032x}" == trace and facts(made[0])["http.response.status_code"]
    assert not [word for span in made for word in PERSON if word in span.to_json()]


def test_a_line_of_the_log_names_its_trace(spans: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO")
    with tracing.batch("x", 1):
        log.get("x").info("inside")
    log.get("x").info("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    (span,) = spans.get_finished_spans()
    assert inside["trace_id"] == f"{span.context.trace_id:032x}" and "trace_id" not in outside


# --- the environment ------------------------------------------------------------------------------------------------


def test_without_an_address_nothing_is_imported() -> None:
    code = (
        "import os, sys; import connector.cli, connector.core.tracing as t; t.start({}); t.start(dict(os.environ));"
        "print(t.is_on, [m for m in sys.modules if 'opentelemetry' in m])"
    )
    environment = {"PATH": "/usr/bin:/bin", "OTEL_SERVICE_NAME": "x"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "False []"


def test_missing_packages_are_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match="connector\\[otel\\]"):
        tracing.start({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    assert not tracing.is_on


def test_spans_reach_who_takes_them() -> None:
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = (
        "import os; import connector.core.tracing as t; t.BATCHES = 1.0; t.start(os.environ);"
        "b = t.batch('store events', 3); b.__enter__(); b.__exit__(None, None, None); t.stop()"
    )
    environment = {"PATH": "/usr/bin:/bin", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    server.shutdown()
    server.server_close()
    sent = ExportTraceServiceRequest.FromString(taken[0]).resource_spans[0]
    names = {one.key: one.value.string_value for one in sent.resource.attributes}
    assert names["service.name"] == "connector" and sent.scope_spans[0].spans[0].name == "store events"
