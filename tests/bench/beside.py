"""What traces and viewers of the console cost the leads: processor time of a lead with them, beside that without.

Ratios of processor time, measured in turns, so that a busy machine makes both longer. Ten viewers ask as their pages
do, each every five seconds.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import requests

from tests.bench import cost, load, places, serving
from tests.bench.paging import KEY, signed_in
from tests.bench.report import Report, at_most

VIEWERS: Final = 10
EVERY_S: Final = 5.0
CONNECTIONS: Final = 16
REACH: Final = 1.05
OPEN: Final = '\n[console]\nenabled = true\n[console.people.bench]\nrole = "admin"\ntoken = "{key}"\n'
#: What runs beside the leads -> what the report calls it.
BESIDE: Final = {"traces": "OpenTelemetry", "viewers": f"{VIEWERS} viewers"}
#: Part that is started -> the work that it does for a lead.
PARTS: Final = {"web": "ingest", "run": "ingest and drain"}


def beside(report: Report, kind: str, named: str, at: Path, seconds: float, rounds: int) -> None:
    """Adds a row for each kind of company and each part."""
    for part, work in PARTS.items():
        times: dict[str, list[float]] = {"": [], **{name: [] for name in BESIDE}}
        for turn in range(rounds):
            for company, found in times.items():
                found.append(_of_a_lead(kind, at, part, company, seconds, f"{part}{company}{turn}"))
        alone = statistics.median(times.pop(""))
        for company, found in times.items():
            row = f"processor time of a lead, {work}, {BESIDE[company]}, {named}"
            report.add(at_most(row, statistics.median(found), alone, REACH, unit="ms", of="without"))


def _of_a_lead(kind: str, at: Path, part: str, company: str, seconds: float, run: str) -> float:
    """Milliseconds of our processes and of the database's."""
    with contextlib.ExitStack() as stack:
        vendor = stack.enter_context(places.vendor(at, latency_s=0.0))
        connector = stack.enter_context(serving.connector(kind, at, vendor_url=vendor.url))
        config = Path(connector.environment["CONNECTOR_CONFIG"])
        config.write_text(config.read_text() + OPEN.format(key=KEY))
        env = stack.enter_context(_collector()) if company == "traces" else {}
        running = stack.enter_context(connector.start(part, env=env))
        base = connector.url.partition("/webhooks")[0]
        if company == "viewers":
            stack.enter_context(_viewers(base))
        time.sleep(2.0)
        url = connector.environment["DATABASE_URL"]
        before = cost.cpu_s(running.process.pid) + cost.database_s(kind, url)
        options: list[str | float] = ["--connections", CONNECTIONS, "--seconds", seconds, "--warmup", 0]
        sent = load.run(connector.url, *options, "--requests", 30_000, "--run", run)
        count = sum(number for status, number in sent.statuses.items() if status.startswith("2"))
        until = time.monotonic() + 60
        while part == "run" and vendor.stats().rows < count and time.monotonic() < until:
            time.sleep(0.1)
        running.check()
        return (cost.cpu_s(running.process.pid) + cost.database_s(kind, url) - before) / count * 1000


@contextlib.contextmanager
def _collector() -> Iterator[Mapping[str, str]]:
    """Somebody who takes traces; the environment that names it."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def _viewers(base: str) -> Iterator[None]:
    """They look at Now: each asks for what changed, and shows what it knows."""
    over, signed = threading.Event(), threading.Barrier(VIEWERS + 1)

    def view(number: int) -> None:
        with signed_in(base) as session:
            known = ""
            signed.wait(60)  # the first page is dear: what it loads is loaded once in a process's life
            over.wait(EVERY_S * number / VIEWERS)
            while not over.is_set():
                with contextlib.suppress(requests.RequestException):
                    answer = session.get(f"{base}/console/parts/now", headers={"If-None-Match": known}, timeout=30)
                    known = answer.headers.get("ETag", known)
                over.wait(EVERY_S)

    looking = [threading.Thread(target=view, args=(number,), daemon=True) for number in range(VIEWERS)]
    for one in looking:
        one.start()
    signed.wait(60)
    try:
        yield
    finally:
        over.set()
        for one in looking:
            one.join(10)
