"""What a step costs, counted and not timed: the same figures on every machine, however busy it is.

Calls are those of Python and C functions, which follow the processor time of our own code; statements are what a
database is asked, with the beginning and the end of every transaction. A round trip each, on Postgres.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event

from connector.core import at_rest
from connector.core.settings import Secret
from connector.inbound.router import Router
from connector.outbound import claims
from connector.outbound.claims import Claim
from connector.store import attempts, inbox
from connector.store.database import now_ms
from connector.store.migrate import migrate
from connector.vendors import destinations
from connector.vendors.base import Destination
from mappings.base import Locale
from mappings.senders.lead import LeadMapping
from tests.bench import contacting, leads, places, steps

TURNS = 12  #: of each step; the median is kept, because a calendar or a rate is read again now and then
WARM = 4  #: turns before them: statements are compiled, patterns are built
MANY = 1_000

Figures = dict[str, int]


class Counter:
    """Calls of functions and statements of a database since it began."""

    def __init__(self, engine: Any = None) -> None:
        self.calls = self.statements = 0
        if engine is not None:
            event.listen(engine, "before_cursor_execute", self._stated)
            for edge in ("begin", "commit", "rollback"):
                event.listen(engine, edge, self._ended)

    def _stated(self, *_: Any) -> None:
        self.statements += 1

    def _ended(self, _conn: Any) -> None:
        self.statements += 1

    def _called(self, _frame: Any, what: str, _arg: Any) -> None:
        if what in ("call", "c_call"):
            self.calls += 1

    def of(self, step: Callable[[], Any]) -> tuple[int, int]:
        """(calls, statements) of one step."""
        self.calls = self.statements = 0
        sys.setprofile(self._called)
        try:
            step()
        finally:
            sys.setprofile(None)
        return self.calls, self.statements


class Lone:
    """A lead that comes alone: stored, claimed, settled, each in a transaction as the processes do."""

    def __init__(self, bench: contacting.Bench, contact: str) -> None:
        self.bench, self.number = bench, 10_000_000
        settings = bench.settings(contact)
        self.router = Router(settings, destinations.name_of)
        self.place, self.account = bench.place(settings, 1)
        self.counter = Counter(bench.database.engine)

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


def lone(kind: str, url: str, at: Path, contact: str, under: str) -> Iterator[tuple[str, int]]:
    """The figures of a lead that comes alone."""
    with contextlib.closing(contacting.Closing(url, at)) as opened:
        one = Lone(opened.bench, contact)
        seen: dict[str, list[tuple[int, int]]] = {name: [] for name in one.steps()}
        for turn in range(WARM + TURNS):
            opened.bench.now += 10_000
            for name, step in one.steps().items():
                counts = one.counter.of(step)
                opened.bench.make_due()
                if turn >= WARM:
                    seen[name].append(counts)
        for name, counts in seen.items():
            yield f"a lone lead is {name}, {kind}{under}: calls", _median([calls for calls, _ in counts])
            yield f"a lone lead is {name}, {kind}{under}: statements", _median([asked for _, asked in counts])


def many(kind: str, url: str, at: Path, contact: str, under: str) -> Iterator[tuple[str, int]]:
    """The figures of a claim of a thousand, a tenth of whom were contacted lately."""
    with contextlib.closing(contacting.Closing(url, at)) as opened:
        bench = opened.bench
        bench.fill(contacting.AT_FIRST)
        bench.remember(contacting.AT_FIRST // 10, contacting.AT_FIRST)
        place, account = bench.place(bench.settings(contact), MANY)
        counter = Counter(bench.database.engine)
        seen = []
        for _ in range(5):
            found: list[Claim] = []
            seen.append(counter.of(lambda into=found: into.append(claimed(bench, account, place))))
            bench.settle(account, place, found[0])
            bench.now += 130_000
        yield f"a claim of {MANY:,}, {kind}{under}: calls", _median([calls for calls, _ in seen[1:]])
        yield f"a claim of {MANY:,}, {kind}{under}: statements", _median([asked for _, asked in seen[1:]])


def mapped() -> Iterator[tuple[str, int]]:
    """A lead as JSON becomes an event."""
    mapping, counter = LeadMapping(Locale("CO")), Counter()
    bodies = [leads.lead(number) for number in range(200)]
    seen = [counter.of(functools.partial(mapping.read, body)) for body in bodies]
    yield "a lead is mapped: calls", _median([calls for calls, _ in seen[50:]])


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


def figures(kinds: tuple[str, ...]) -> Figures:
    """All of them, by name."""
    found = dict(mapped()) | dict(loaded())
    for kind in kinds:
        for under, contact, keys in KINDS:
            at_rest.configure(keys)
            for measure in (lone, many):
                with places.folder() as at, places.database(kind, at) as url:
                    migrate(steps.engine_url(url))
                    found |= dict(measure(kind, url, at, contact, under))
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
