"""What the tests of contacting people share: a configuration under [contact], a clock of their own, invented people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from connector.admin.may import Answer, may, route_of
from connector.core.outcomes import Outcome
from connector.core.settings import (
    Account,
    ContactRules,
    ProofPaths,
    Refusal,
    Registry,
    Route,
    Settings,
)
from connector.inbound.router import Router
from connector.outbound.claims import Claim
from connector.outbound.worker import prepare
from connector.store import reasons, registries
from connector.store.database import Database, now_ms
from connector.store.tables import contacts as ledger
from connector.store.tables import deliveries, events
from connector.vendors.destinations import name_of, places
from mappings.base import Locale
from mappings.events import Customer, Lead, Phone, Ticket
from tests.outbound_steps import Out, accepted, dial, dialler, survey, surveys

BOGOTA = ZoneInfo("America/Bogota")
MONDAY = 1795446000000  # 2026-11-23 10:00 in Bogotá
HOUR = 3_600_000


def at(moment: str, zone: str = "America/Bogota") -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


class Clock:
    """The database's clock, as the test says."""

    def __init__(self, database: Database) -> None:
        self.now = MONDAY
        self._before = database.engine.get_execution_options()
        database.engine.update_execution_options(connector_clock=lambda: self.now)


@pytest.fixture
def clock(database: Database) -> Iterator[Clock]:
    yield Clock(database)


def international(**values: Any) -> Account:
    return dialler(phone_format="international", **values)


class People(Out):
    """`Out` under a table [contact]: leads by phone to two diallers, and tickets by e-mail to a survey."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *routes: Any,
        rules: ContactRules | None = None,
        timezone: str = "America/Bogota",
    ) -> None:
        super().__init__(database, *routes, accounts=(international(), international(name="other"), surveys()))
        self.clock = clock
        given = rules or ContactRules()
        self.settings = replace(self.settings, contact=given, locale=Locale("CO", ZoneInfo(timezone)))
        self.reload(self.settings)

    def reload(self, settings: Settings) -> None:
        """The same deliveries under another configuration, as a worker that starts finds them."""
        self.settings = settings
        self.places = places(settings)
        self.router = Router(settings, name_of)
        prepare(settings, self.database, self.places)
        for name, line in self.lines.items():
            self.lines[name] = replace(line, places=dict(self.places[name]))

    def put(self, given: Any, *, lane: int = 0) -> Any:
        timed = [
            event if event.time else replace(event, time=datetime.fromtimestamp(self.clock.now / 1000, BOGOTA))
            for event in given
        ]
        before = max((row.id for row in self.deliveries()), default=0)
        # One after the other: what is stored together has no order of its own.
        stored = [kept for event in timed for kept in super(People, self).put([event], lane=lane)]
        now = self.clock.now
        values = {"due_at": now, "created_at": now, "updated_at": now}
        with self.database.write() as conn:  # the way in reads the machine's clock
            fresh = (deliveries.c.id > before) & (deliveries.c.state == "pending")
            conn.execute(update(deliveries).where(fresh).values(values))
            for event in timed:
                moment = int(event.time.timestamp() * 1000)
                conn.execute(update(events).where(events.c.event_id == event.id).values(occurred_at=moment))
                mine = deliveries.c.event.in_(select(events.c.id).where(events.c.event_id == event.id))
                for route in self.settings.routes:  # a time that is still to come would count as the machine's now
                    until = moment + int(route.expires_after_s * 1000)
                    which = fresh & mine & (deliveries.c.route == route.name)
                    conn.execute(update(deliveries).where(which).values(expires_at=until))
        return stored

    def tries(self, account: str = "dialler", *, outcome: Outcome | None = None) -> bool:
        """Claims until there is a call, or nothing to do now; settles the call. Whether there was one."""
        for _ in range(12):
            found = self.claim(account)
            if isinstance(found, Claim):
                if found.attempt.kind == "budget":
                    self.settle_budget(found)
                    continue
                self.settle(found, outcome or accepted())
                return True
            if found.seconds != 0:
                return False
        raise AssertionError("no end of looks")

    def settle_budget(self, found: Claim) -> None:
        from connector.store import attempts

        with self.database.write() as conn:
            attempts.finish(conn, found.attempt.id, state="accepted", now=now_ms(conn))

    def due(self) -> list[int]:
        return [row.due_at for row in self.deliveries("pending")]

    def reasons(self) -> list[str]:
        return [str(reasons.of(row) or "") for row in self.deliveries()]

    def ledger(self) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(select(ledger).where(ledger.c.channel != "").order_by(ledger.c.at, ledger.c.hash)))


class Told(People):
    """`People` whose events can be replayed: their payloads say all there is, and their sources know how to read it."""

    def arrival(self, event: Any, *, source: str = "landing", lane: int = 0) -> Any:
        if event.type == "ticket.closed":
            customer = {"name": "Ana", "email": event.customer.email}
            data, source = {"ticket_id": event.id, "customer": customer}, "tickets"
        else:
            data = {"first_name": "Ana", "email": event.email, "phones": [one.e164 for one in event.phones]}
            source = "asked" if event.extra.get("asked") else source
        made = super().arrival(event, source=source, lane=lane)
        when = event.time or datetime.fromtimestamp(self.clock.now / 1000, BOGOTA)
        payload = {"id": event.id, "type": event.type, "time": when.isoformat(), "data": data}
        return replace(made, payload=json.dumps(payload))


def asked(out: People, who: str, route: str, moment: int | None = None) -> Answer:
    """What `connector may` answers."""
    way = "+" + who.replace(" ", "") if "@" not in who else who
    return may(out.settings, out.database, way, route_of(out.settings, route), moment or out.clock.now)


def phone(text: str) -> Phone:
    code, national = text.split()
    return Phone(int(code), national)


_numbers = iter(range(1, 10_000))


def person(*phones: str, email: str = "", **values: Any) -> Lead:
    number = next(_numbers)
    given: dict[str, Any] = {"id": f"L-{number}", "type": "lead.created", "first_name": "Ana"}
    return Lead(**given | {"phones": tuple(map(phone, phones)), "email": email} | values)


def case(email: str = "", number: str = "", **values: Any) -> Ticket:
    customer = Customer(name="Ana", email=email, phone=phone(number) if number else None)
    given: dict[str, Any] = {"id": f"T-{next(_numbers)}", "type": "ticket.closed", "customer": customer}
    return Ticket(**given | values)


CO, ES, CL, CL_61 = "57 3001234567", "34 612345678", "56 221234567", "56 612123456"
BR_81, BR_92, BR_11 = "55 81987654321", "55 92987654321", "55 11987654321"
MX_664, MX_614, MX_55 = "52 6641234567", "52 6141234567", "52 5512345678"
FL, NY, EC = "1 3052345678", "1 2122345678", "593 991234567"


def other(**values: Any) -> Any:
    """A second dialler's route."""
    return dial("2042", name="other", account="other", on=("lead.updated",), **values)


def mailed(**values: Any) -> Any:
    return survey(**{"name": "survey", "purpose": "survey", "channel": "email"} | values)


def not_sent() -> Outcome:
    from connector.vendors.answers import not_sent as made

    return made("no connection")


RNE = Registry(name="rne", countries=("CO",), purposes=("marketing",), max_age_s=30 * 86400)


def imported(out: People, *numbers: str, of: int, replaces: bool = True, name: str = "rne", whole: bool = True) -> None:
    hashes = [str(out.router.contact_hash("+" + one.replace(" ", ""))) for one in numbers]
    with out.database.write() as conn:
        number = registries.begin(conn, name)
        registries.put(conn, name, number, hashes, of)
        if whole:
            registries.finish(conn, name, number, of, replaces=replaces, now=out.clock.now)
            registries.release(conn, name, out.clock.now)


def listing(database: Database, clock: Clock, *routes: Any, **values: Any) -> People:
    rules = ContactRules(lists={"rne": replace(RNE, **values)})
    return People(database, clock, *(routes or (dial(expires_after_s=90 * 86400),)), rules=rules)


PATHS = ProofPaths(of="consent", at="consent_at", words="consent_text", where="page_url")


def consenting(*phones: str, given: int | None, **values: Any) -> Lead:
    when = datetime.fromtimestamp(given / 1000, BOGOTA).isoformat() if given else None
    extra = {"consent": "sí", "consent_at": when, "consent_text": "Acepto", "page_url": "https://x.example/f?a=ana"}
    return person(*phones, extra=extra | values)


def no(*phones: str, moment: int, email: str = "", **extra: Any) -> Lead:
    said = datetime.fromtimestamp(moment / 1000, BOGOTA)
    return person(*phones, email=email, type="contact.refused", time=said, extra=extra)


def refusing(database: Database, clock: Clock, *routes: Any) -> People:
    out = People(database, clock, *(routes or (dial(), mailed())))
    refusal = Refusal(name="who said no", on=("contact.refused",), tell=("dialler",))
    tells = Route(
        name="who said no (tell dialler)",
        on=("contact.refused",),
        to="wolkvox.add_dnc",
        account="dialler",
    )
    out.reload(replace(out.settings, refusals=(refusal,), routes=(*out.settings.routes, tells)))
    return out
