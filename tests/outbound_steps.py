"""A configured connector around a sandbox for tests of delivery, driven step by step, with time under control.

Nothing sleeps: `Out.later` moves every moment that the database holds into the past instead.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import case, delete, select, update

from connector.admin.acts import By
from connector.core.http import Deadline
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.quota import Wait
from connector.core.reasons import Code, Reason
from connector.core.settings import Account, OncePer, Route, Secret, Settings, Source
from connector.core.states import Kind
from connector.inbound.router import Router
from connector.outbound import settle
from connector.outbound.claims import Claim
from connector.outbound.performers import perform
from connector.outbound.probe import probe
from connector.outbound.send import Line, claim
from connector.outbound.worker import prepare
from connector.store import accounts as standing
from connector.store import helps, inbox, outbox, reasons, tables
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database, announce, now_ms
from connector.store.helps import HelpState
from connector.store.lanes import LIVE
from connector.vendors import VENDORS
from connector.vendors.destinations import name_of, places
from connector.vendors.sandbox.exchange import Sandbox
from mappings.base import fingerprint
from mappings.events import Customer, Event, Lead, Phone, Ticket
from tests.conftest import POSTGRES, as_sqlalchemy

BY = By("a test")
DIAL = "dialler/wolkvox.add_record/1042"
SURVEY = "surveys/tracksale.dispatch/52/now"
REFUSAL = "SOME PARAMETERS ARE REQUIRED"


def lead(number: int, **values: Any) -> Lead:
    """Person ``number``, as C-``number`` at the dialler."""
    given = {"id": f"L-{number}", "first_name": f"Ana {number}", "id_number": f"C-{number}"}
    given |= {"type": "lead.created", "phones": (Phone(57, f"3{number:09d}"),)}
    return Lead(**given | values)


def leads(count: int, first: int = 1) -> list[Lead]:
    return [lead(number) for number in range(first, first + count)]


def ticket(number: int, **values: Any) -> Ticket:
    """A closed case of a customer with an e-mail of their own."""
    customer = Customer(name=f"Zoë {number}", email=f"zoe.{number}@example.com")
    return Ticket(**{"id": f"T-{number}", "type": "ticket.closed", "customer": customer, "comment": "thanks"} | values)


def dialler(url: str = "http://127.0.0.1:9", **values: Any) -> Account:
    given = {"name": "dialler", "vendor": "wolkvox", "token": Secret("invented-1"), "base_url": url, "timeout_s": 3.0}
    return Account(**given | values)


def surveys(url: str = "http://127.0.0.1:9", **values: Any) -> Account:
    given = {"name": "surveys", "vendor": "tracksale", "token": Secret("invented-2"), "base_url": url, "timeout_s": 3.0}
    return Account(**given | values)


def helpdesk(url: str = "http://127.0.0.1:9", **values: Any) -> Account:
    given = {"name": "helpdesk", "vendor": "postcenter", "token": Secret("invented-3"), "base_url": url}
    return Account(**given | {"timeout_s": 3.0} | values)


def dial(campaign: str = "1042", *, name: str = "", status: str = "start", trace: str = "", **values: Any) -> Route:
    """New leads into a campaign of the dialler."""
    options = {"campaign_id": campaign, "campaign_status": status, "opt": (), "trace_field": trace}
    given = {"name": name or f"dial {campaign}", "on": ("lead.created",), "account": "dialler"}
    return Route(**given | {"to": "wolkvox.add_record", "options": options} | values)


def survey(**values: Any) -> Route:
    """Closed tickets into a survey."""
    options = {"campaign_code": "52", "schedule": "now", "tags": {}}
    given = {"name": "survey", "on": ("ticket.closed",), "to": "tracksale.dispatch", "account": "surveys"}
    return Route(**given | {"options": options} | values)


def note(**values: Any) -> Route:
    given = {"name": "note", "on": ("ticket.updated",), "to": "tracksale.note", "account": "surveys"}
    return Route(**given | {"options": {"campaign_code": ""}, "on_unknown": "resend"} | values)


def tags(**values: Any) -> Route:
    options = {"campaign_code": "", "tags": {"Canal": "channel"}}
    given = {"name": "tags", "on": ("ticket.updated",), "to": "tracksale.fill_empty_tags", "account": "surveys"}
    return Route(**given | {"options": options, "on_unknown": "resend"} | values)


def links(**values: Any) -> Route:
    """Closed tickets to a link for each."""
    given = {"name": "links", "on": ("ticket.closed",), "to": "tracksale.survey_links", "account": "surveys"}
    return Route(**given | {"options": {"campaign_code": "52", "tags": {}}, "on_unknown": "resend"} | values)


def collect(**values: Any) -> Route:
    """New leads as answers, scored in their extra."""
    options = {"campaign_code": "52", "score": "nps", "justification": "", "questions": (), "tags": {}}
    given = {"name": "collect", "on": ("lead.created",), "to": "tracksale.answers", "account": "surveys"}
    return Route(**given | {"options": options} | values)


def close(**values: Any) -> Route:
    given = {"name": "close", "on": ("ticket.closed",), "to": "postcenter.close", "account": "helpdesk"}
    return Route(**given | {"options": {}} | values)


def reassign(**values: Any) -> Route:
    given = {"name": "reassign", "on": ("ticket.updated",), "to": "postcenter.reassign", "account": "helpdesk"}
    return Route(**given | {"options": {}, "on_unknown": "resend"} | values)


def once(hours: float = 24) -> OncePer:
    return OncePer(key="phone", within_s=hours * 3600)


def _accounts(url: str) -> tuple[Account, ...]:
    return dialler(url), surveys(url), helpdesk(url)


class Out:
    """The way out over one database. ``accounts`` default to all vendors at ``sandbox``."""

    def __init__(
        self,
        database: Database,
        *routes: Route,
        sandbox: Sandbox | None = None,
        accounts: Iterable[Account] = (),
        install: str = "a1b2c3",
    ) -> None:
        url = sandbox.url if sandbox else "http://127.0.0.1:9"
        wanted = {route.account for route in routes}
        given = {one.name: one for one in accounts} or {one.name: one for one in _accounts(url) if one.name in wanted}
        self.database = database
        sources = {name: Source(name=name, mapping="lead") for name in ("landing", "crm")}
        self.settings = Settings(accounts=given, routes=routes, sources=sources)
        self.places = places(self.settings)
        self.router = Router(self.settings, name_of)
        prepare(self.settings, database, self.places)
        self.lines = {
            name: Line(database, account, dict(self.places[name]), VENDORS[account.vendor].client(account), install)
            for name, account in given.items()
        }

    # in

    def arrival(self, event: Event, *, source: str = "landing", lane: int = LIVE) -> Arrival:
        deliveries = self.router.deliveries(source, event, lane=lane)
        state = "accepted" if deliveries else "ignored"
        mark = fingerprint(event).hex()
        payload = json.dumps({"id": event.id})
        return Arrival(
            source=source,
            event_id=event.id,
            type=event.type,
            state=state,
            payload=payload,
            fingerprint=mark,
            deliveries=deliveries,
        )

    def put(self, events: Sequence[Event], *, lane: int = LIVE) -> list[Stored]:
        """Stores them in one transaction."""
        with self.database.write() as conn:
            return inbox.store(conn, [self.arrival(event, lane=lane) for event in events])

    # out

    def claim(self, account: str = "dialler") -> Claim | Wait:
        return claim(self.lines[account])

    def claimed(self, account: str = "dialler") -> Claim:
        """A claim that there must be."""
        answer = self.claim(account)
        assert isinstance(answer, Claim), answer
        return answer

    def make(self, claimed: Claim) -> None:
        """Makes the claimed call, as a worker does."""
        line = self.lines[claimed.attempt.account]
        deadline = Deadline.after(line.account.timeout_s)
        if claimed.attempt.kind == Kind.PROBE:
            place = line.places[claimed.attempt.destination]
            probe(self.database, line.account, place, claimed, line.vendor, line.install, deadline)
        else:
            perform(line, claimed, deadline)

    def step(self, account: str = "dialler") -> Claim | Wait:
        """Claims, and makes the call if there is one."""
        answer = self.claim(account)
        if isinstance(answer, Claim):
            self.make(answer)
        return answer

    def drain(self, account: str = "dialler", most: int = 60) -> list[Claim]:
        """Steps until there is nothing to do now; the calls it took."""
        made: list[Claim] = []
        for _ in range(3 * most):
            answer = self.step(account)
            if isinstance(answer, Claim):
                made.append(answer)
                assert len(made) <= most, f"{most} calls and no end"
            elif answer.seconds != 0:
                return made
        raise AssertionError("no end of waits for nothing")

    def settle(self, claimed: Claim, outcome: Outcome) -> None:
        """Settles a claimed call without making it."""
        line = self.lines[claimed.attempt.account]
        with self.database.write(serialise=line.account.name) as conn:
            ids = [number for number, _ in outbox.members(conn, claimed.attempt.id)]
            settle.settle(conn, claimed.attempt, line.places[claimed.attempt.destination], outcome, ids)

    # looking

    def deliveries(self, *states: str) -> list[Any]:
        """Rows of the outbox, oldest first, in these states (or all)."""
        table = tables.deliveries
        query = select(table).order_by(table.c.id)
        with self.database.read() as conn:
            return list(conn.execute(query.where(table.c.state.in_(states)) if states else query))

    def states(self) -> dict[str, int]:
        return dict(Counter(row.state for row in self.deliveries()))

    def attempts(self) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(select(tables.attempts).order_by(tables.attempts.c.id)))

    def kinds(self) -> list[tuple[str, str]]:
        """(kind, state) of every attempt, in order; but for what a worker asks when it starts."""
        return [(row.kind, row.state) for row in self.attempts() if row.kind != Kind.BUDGET]

    def account(self, name: str = "dialler") -> standing.AccountStanding:
        with self.database.read() as conn:
            return standing.account(conn, name)

    def destination(self, name: str = DIAL) -> standing.DestinationStanding:
        with self.database.read() as conn:
            return standing.destination(conn, name)

    # doing

    def resume(self, name: str = "dialler") -> None:
        with self.database.write(serialise=name) as conn:
            standing.resume(conn, name, now_ms(conn))
            announce(conn)

    def works(self, name: str = DIAL) -> None:
        """The destination has accepted something before."""
        with self.database.write() as conn:
            standing.accepted(conn, name, now_ms(conn))

    def finds(self, campaign: str = "1042") -> None:
        """wolkvox's find_record has found, lately, somebody who is there: the absence of others is believed."""
        with self.database.write() as conn:
            helps.note(conn, "dialler", f"find_record {campaign}", HelpState.WORKS, now_ms(conn))

    def later(self, seconds: float) -> None:
        """Time passes."""
        ms = int(seconds * 1000)
        with self.database.write() as conn:
            for table, columns in _MOMENTS.items():
                values = {one: case((table.c[one] > 0, table.c[one] - ms), else_=table.c[one]) for one in columns}
                conn.execute(update(table).values(values))


_MOMENTS: Mapping[Any, tuple[str, ...]] = {
    tables.events: ("received_at",),
    tables.deliveries: ("due_at", "created_at", "updated_at", "expires_at", "checked_at"),
    tables.attempts: ("started_at", "deadline", "ended_at", "probe_at"),
    tables.accounts: ("since", "hold_until", "credit_at", "rate_at", "told_at", "ask_at"),
    tables.destinations: ("since", "claimed_at", "accepted_at"),
    tables.campaign_reports: ("asked_at", "read_at"),
    tables.helps: ("since", "asked_at", "worked_at"),
    tables.lots: ("changed_at", "asked_at", "asked_until", "fires_at"),
    tables.lot_deliveries: ("at",),
}


def code(row: Any) -> Code | None:
    """Why a row is in its state."""
    reason = reasons.of(row)
    return None if reason is None else reason.code


def words(row: Any) -> str:
    """What the vendor, or the network, said of it: the fact, not the sentence around it."""
    reason = reasons.of(row)
    while reason is not None and "because" in reason.facts:
        because = reason.facts["because"]
        reason = Reason(Code(because["code"]), because["facts"])
    return "" if reason is None else str(reason.facts.get("words") or reason.facts.get("fault") or "")


def accepted(**values: Any) -> Outcome:
    return Outcome(attempt="accepted", verdict=Verdict(Fate.DELIVERED), status=201, **values)


def refused(words: str = "400 wrong") -> Outcome:
    return Outcome(attempt="rejected", verdict=Verdict(Fate.REFUSED, words), status=400, words=words)


def unknown(words: str = "no answer: the connection was cut", **values: Any) -> Outcome:
    return Outcome(attempt="unknown", verdict=Verdict(Fate.DOUBTFUL, words), words=words, **values)


# --- fixtures -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database for a whole module, as making one for each test costs more than most of these tests."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("store") / "connector.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
    name = f"test_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield as_sqlalchemy(POSTGRES, name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(store: str) -> Iterator[Database]:
    """The module's database, emptied."""
    database = Database(store)
    with database.write() as conn:
        for table in tables.metadata.tables.values():
            conn.execute(delete(table))
    yield database
    database.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The vendors, none of whose rules the test may have broken."""
    with Sandbox() as sandbox:
        yield sandbox
        assert sandbox.breaches == [], sandbox.breaches
