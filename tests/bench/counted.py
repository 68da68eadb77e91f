"""What a step costs, counted and not timed: the same figures on every machine, however busy it is.

Calls are those of Python and C functions, which follow the processor time of our own code; allocations are blocks that
it takes from Python's allocators, however soon it gives them back; statements are what a database is asked, with the
beginning and the end of every transaction. A round trip each, on Postgres.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from connector.config import loader
from connector.core import at_rest
from connector.core.http import Client
from connector.core.settings import Secret
from connector.inbound.committer import Waiting
from connector.inbound.router import Router
from connector.outbound import claims
from connector.outbound.claims import Claim
from connector.store import attempts, inbox
from connector.store.arrivals import Stored
from connector.store.database import Database, now_ms
from connector.store.migrate import migrate
from connector.vendors import destinations
from connector.vendors.base import Destination
from connector.web.asgi import Front
from connector.web.wsgi import create_app
from mappings.base import Locale
from mappings.senders.lead import LeadMapping
from tests.bench import contacting, leads, places, serving, steps
from tests.bench.allocations import Allocations
from tests.statements import heard

TURNS = 12  #: of each step; the median is kept, because a calendar or a rate is read again now and then
WARM = 4  #: turns before them: statements are compiled, patterns are built
MANY = 1_000

Figures = dict[str, int]


Ways = Mapping[str, Callable[[Callable[[], Any]], int]]


class Counter:
    """Calls, allocations or statements of a step: one of them at a time, because who listens is called, too.

    ``blocks``: counts allocations; None where that cannot be.
    """

    def __init__(self, blocks: Allocations | None, engine: Engine | None = None) -> None:
        self._blocks = blocks
        self._engine = engine
        self._count = 0

    def ways(self) -> Ways:
        """What can be counted here."""
        found: dict[str, Callable[[Callable[[], Any]], int]] = {"calls": self.calls}
        if self._engine is not None:
            found["statements"] = self.statements
        if self._blocks is not None:
            found["allocations"] = self._blocks.of
        return found

    def _called(self, _frame: Any, what: str, _arg: Any) -> None:
        if what in ("call", "c_call"):
            self._count += 1

    def _asked(self, _statement: str) -> None:
        self._count += 1

    def calls(self, step: Callable[[], Any]) -> int:
        """Calls of functions."""
        self._count = 0
        sys.setprofile(self._called)
        try:
            step()
        finally:
            sys.setprofile(None)
        return self._count

    def statements(self, step: Callable[[], Any]) -> int:
        """What the database is asked."""
        assert self._engine is not None
        self._count = 0
        with heard(self._engine, self._asked):
            step()
        return self._count


class Lone:
    """A lead that comes alone: stored, claimed, settled, each in a transaction as the processes do."""

    def __init__(self, bench: contacting.Bench, contact: str, blocks: Allocations | None) -> None:
        self.bench, self.number = bench, 10_000_000
        settings = bench.settings(contact)
        self.router = Router(settings, destinations.name_of)
        self.place, self.account = bench.place(settings, 1)
        self.counter = Counter(blocks, bench.database.engine)

    def store(self) -> None:
        self.number += 1
        arrival = contacting.arrival(self.router, self.number)
        with self.bench.database.write() as conn:
            inbox.store(conn, [arrival])

    def claim(self) -> None:
        self.claimed = claimed(self.bench, self.account, self.place)

    def settle(self) -> None:
        self.bench.settle(self.account, self.place, self.claimed)

    def steps(self) -> Mapping[str, Callable[[], None]]:
        return {"stored": self.store, "claimed": self.claim, "settled": self.settle}


def claimed(bench: contacting.Bench, account: Any, place: Destination) -> Claim:
    """The next claim that sends; nobody is there to be asked about a budget."""
    while True:
        with bench.database.write(serialise=account.name) as conn:
            found = claims.claim(conn, account, {place.name: place})
            if not isinstance(found, Claim):
                raise places.Broken(f"nothing to claim: {found.why}")
            if found.attempt.kind != "budget":
                return found
            attempts.finish(conn, found.attempt.id, state="accepted", now=now_ms(conn))


def lone(
    kind: str, url: str, at: Path, contact: str, under: str, blocks: Allocations | None
) -> Iterator[tuple[str, int]]:
    """The figures of a lead that comes alone."""
    with contextlib.closing(contacting.Closing(url, at)) as opened:
        one = Lone(opened.bench, contact, blocks)
        wanted = one.counter.ways()
        seen: dict[tuple[str, str], list[int]] = {(name, what): [] for name in one.steps() for what in wanted}
        for turn in range(WARM + len(wanted) * TURNS):
            opened.bench.now += 10_000
            what = [*wanted][turn % len(wanted)]
            for name, step in one.steps().items():
                count = wanted[what](step)
                opened.bench.make_due()
                if turn >= WARM:
                    seen[name, what].append(count)
        for (name, what), counts in seen.items():
            yield f"a lone lead is {name}, {kind}{under}: {what}", _median(counts)


def many(
    kind: str, url: str, at: Path, contact: str, under: str, blocks: Allocations | None
) -> Iterator[tuple[str, int]]:
    """The figures of a claim of a thousand, a tenth of whom were contacted lately."""
    with contextlib.closing(contacting.Closing(url, at)) as opened:
        bench = opened.bench
        bench.fill(contacting.AT_FIRST)
        bench.remember(contacting.AT_FIRST // 10, contacting.AT_FIRST)
        place, account = bench.place(bench.settings(contact), MANY)
        for what, count in Counter(blocks, bench.database.engine).ways().items():
            seen = []
            for _ in range(3):  # ten claims are there
                found: list[Claim] = []
                seen.append(count(lambda into=found: into.append(claimed(bench, account, place))))
                bench.settle(account, place, found[0])
                bench.now += 130_000
            yield f"a claim of {MANY:,}, {kind}{under}: {what}", _median(seen[1:])


def mapped(blocks: Allocations | None) -> Iterator[tuple[str, int]]:
    """A lead as JSON becomes an event."""
    mapping = LeadMapping(Locale("CO"))
    bodies = [leads.lead(number) for number in range(200)]
    for what, count in Counter(blocks).ways().items():
        seen = [count(functools.partial(mapping.read, body)) for body in bodies]
        yield f"a lead is mapped: {what}", _median(seen[50:])


class _StoredAtOnce:
    """In the place of the committer: says that everything is stored."""

    def hand_over(self, several: Sequence[Waiting]) -> None:
        for arrivals, reply in several:
            reply.set_result([Stored(one.state, one.event_id, len(one.deliveries)) for one in arrivals])


def answered(blocks: Allocations | None) -> Iterator[tuple[str, int]]:
    """A webhook from its parsed head to its answer: proved, read, mapped and routed, but stored by nobody."""
    with places.folder() as at, serving.connector("sqlite", at) as connector:
        settings = loader.load({**os.environ, **connector.environment}, destinations=destinations.SPECS)
        database = Database(settings.database_url)
        front = Front(create_app(settings, database, destinations.name_of, _StoredAtOnce()))
        with asyncio.Runner() as loop:
            for what, count in Counter(blocks).ways().items():
                seen = [count(lambda number=number: loop.run(_post(front, number))) for number in range(60)]  # type: ignore[misc]
                yield f"a webhook is answered: {what}", _median(seen[20:])
        database.close()


async def _post(front: Front, number: int) -> None:
    raw, message_id, timestamp = leads.body(number), f"msg_{number}", str(int(time.time()))
    headers = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(raw)),
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": leads.signature(message_id, timestamp, raw),
    }
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": f"/webhooks/{leads.SOURCE}".encode(),
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await front(scope, receive, send)
    if sent[0]["status"] != 202:
        raise places.Broken(f"a webhook was answered {sent[0]['status']}: {sent[1]['body'].decode()}")


class _Vendor(BaseHTTPRequestHandler):
    """Answers every request alike."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def called(blocks: Allocations | None) -> Iterator[tuple[str, int]]:
    """A request to a vendor and its answer, on a kept connection; in the thread that makes the call."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Vendor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = Client({"token": "of the bench"})
        url = f"http://127.0.0.1:{server.server_port}/api"
        step = functools.partial(client.call, "POST", url, params={"campaign": "1"}, body=b"[]")
        for what, count in Counter(blocks).ways().items():
            yield f"a call to a vendor: {what}", _median([count(step) for _ in range(WARM + TURNS)][WARM:])
        client.close()
        server.shutdown()


def loaded() -> Iterator[tuple[str, int]]:
    """Modules that a short command loads before it does anything."""
    for name, command in (("--help", ["--help"]), ("status --help", ["status", "--help"])):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "connector", *command],
            capture_output=True,
            text=True,
            check=True,
            cwd=places.ROOT,
            env={**os.environ, "CONNECTOR_CONFIG": ""},
        )
        yield f"connector {name}: modules", sum(line.startswith("import time:") for line in done.stderr.splitlines())


def figures(kinds: tuple[str, ...], blocks: Allocations | None) -> Figures:
    """All of them, by name; without ``blocks`` no allocations."""
    found = dict(mapped(blocks)) | dict(answered(blocks)) | dict(called(blocks)) | dict(loaded())
    for kind in kinds:
        for under, contact, keys in KINDS:
            at_rest.configure(keys)
            for measure in (lone, many):
                with places.folder() as at, places.database(kind, at) as url:
                    migrate(steps.engine_url(url))
                    found |= dict(measure(kind, url, at, contact, under, blocks))
    at_rest.configure(())
    return found


#: Behind the name of a figure, the configuration, and the keys of what is encrypted at rest.
KINDS: Final[tuple[tuple[str, str, tuple[Secret, ...]], ...]] = (
    ("", "", ()),
    (", [contact]", contacting.CONTACT, ()),
    (", a data key", "", (Secret("a-data-key-of-the-bench"),)),
)


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
