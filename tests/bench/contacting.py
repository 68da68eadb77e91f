"""What the rules for contacting people cost a claim, with a backlog, a full ledger and a long registry.

Counted is processor time, ours and that of the database's server: what others do on the machine adds little to it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import statistics
import subprocess
import time
from pathlib import Path

from sqlalchemy import text, update

from connector.config import loader
from connector.core.memory import keep_what_is_loaded
from connector.core.outcomes import Fate, Outcome, Verdict
from connector.core.settings import Account, Settings
from connector.inbound.router import Router
from connector.outbound import claims
from connector.outbound.claims import Claim
from connector.outbound.settle import settle
from connector.store import accounts, attempts, inbox, registries
from connector.store.arrivals import Arrival
from connector.store.database import Database, now_ms
from connector.store.migrate import migrate
from connector.store.tables import deliveries
from connector.vendors import destinations
from connector.vendors.base import Destination
from mappings.events import Lead, Phone
from tests.bench import places, steps
from tests.bench.cost import database_s
from tests.bench.places import PYTHON, Broken
from tests.bench.report import Report, at_most, limit

DAY_MS = 86_400_000
NOON = 1795446000000  #: Monday 2026-11-23 10:00 in Bogotá, unix ms
AT_FIRST = 10_000  #: deliveries that the router makes; the rest are copies of them, each of a person of their own
IN_LEDGER = 100_000
CLAIMS = 15  #: in each turn, at the most
TURNS = 3
THOUSAND = 1_000
IMPORT_S = 300.0

_CONFIGURATION = """\
timezone = "America/Bogota"
region = "CO"

{contact}
[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "bench-token"
licences = 100000
phone_format = "international"

[sources.landing]
mapping = "lead"
verify = {{ scheme = "none" }}

[[routes]]
name = "dial"
sources = ["landing"]
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"
"""
CONTACT = "[contact]\nlaw = true\n"
_LIST = '[contact.lists.rne]\ncountries = ["CO"]\nmax_age = "3650d"\n'


ACCEPTED = Outcome(attempt="accepted", verdict=Verdict(Fate.DELIVERED), status=201)


class Bench:
    """One database with a backlog, claimed from under one configuration or another."""

    def __init__(self, url: str, at: Path) -> None:
        self.url, self.at = url, at
        self.database = Database(steps.engine_url(url))
        self.now = NOON
        self.database.engine.update_execution_options(connector_clock=lambda: self.now)

    def environment(self, contact: str) -> dict[str, str]:
        path = self.at / "connector.toml"
        path.write_text(_CONFIGURATION.format(contact=contact), encoding="utf-8")
        return {
            "CONNECTOR_CONFIG": str(path),
            "DATABASE_URL": self.url,
            "CONNECTOR_SECRET_KEY": "bench-key",
            "LOG_LEVEL": "WARNING",
        }

    def settings(self, contact: str) -> Settings:
        return loader.load({**os.environ, **self.environment(contact)}, destinations=destinations.SPECS)

    def fill(self, backlog: int) -> None:
        """So many wait, each for a person of their own."""
        settings = self.settings(CONTACT)
        router = Router(settings, destinations.name_of)
        for first in range(0, min(AT_FIRST, backlog), 1000):
            with self.database.write() as conn:
                inbox.store(conn, [arrival(router, number) for number in range(first, first + 1000)])
        self.make_due()
        steps.multiply(self.url, max(1, backlog // AT_FIRST))

    def make_due(self) -> None:
        """What was stored by the machine's clock is due by ours."""
        with self.database.write() as conn:
            fresh = update(deliveries).where(deliveries.c.state == "pending")
            conn.execute(fresh.values(due_at=NOON - 1000, created_at=NOON - 1000, expires_at=NOON * 2))

    def remember(self, people: int, of: int) -> None:
        """So many of those who wait, evenly among them, were called three days ago."""
        with self.database.write() as conn:
            conn.execute(
                text(
                    "INSERT INTO contacts (hash, delivery, attempt, at, day, week, zone, channel, purpose, country)"
                    " SELECT contact, delivery + 1000000000, 1, :at, '2026-11-20', '2026-W47', 'America/Bogota',"
                    " 'voice', 'marketing', 'CO' FROM records WHERE delivery % :each = 0"
                ),
                {"at": NOON - 3 * DAY_MS, "each": max(1, of // people)},
            )

    def claims(self, contact: str, count: int) -> float:
        """Seconds of processor time of a claim of 1,000 and its settling, the mean of so many."""
        place, account = self.place(self.settings(contact), THOUSAND)
        self._step(account, place)  # warm
        before = self._used_s()
        for _ in range(count):
            self._step(account, place)
        return (self._used_s() - before) / count

    def _used_s(self) -> float:
        return time.process_time() + database_s("sqlite" if self.database.is_sqlite else "postgres", self.url)

    def place(self, settings: Settings, batch: int) -> tuple[Destination, Account]:
        """The one destination, which takes so many a call, and its account."""
        ((account, found),) = destinations.places(settings).items()
        ((name, place),) = found.items()
        sized = type("Sized", (type(place),), {"batch_size": batch})
        with self.database.write() as conn:
            accounts.ensure(conn, [account], [(name, account)], now_ms(conn))
        same: Destination = sized(**{field.name: getattr(place, field.name) for field in dataclasses.fields(place)})
        return same, settings.accounts[account]

    def _step(self, account: Account, place: Destination) -> None:
        for _ in range(4):
            with self.database.write(serialise=account.name) as conn:
                claim = claims.claim(conn, account, {place.name: place})
                if isinstance(claim, Claim) and claim.attempt.kind == "budget":
                    attempts.finish(conn, claim.attempt.id, state="accepted", now=now_ms(conn))
                    continue
            break
        if not isinstance(claim, Claim):
            raise Broken(f"nothing to claim: {claim.why}")
        self.settle(account, place, claim)
        self.now += 10
        if len(claim.records) < 900:
            raise Broken(f"a claim took {len(claim.records)} and not 1,000")

    def settle(self, account: Account, place: Destination, claimed: Claim) -> None:
        """The vendor accepted all of it."""
        with self.database.write(serialise=account.name) as conn:
            settle(conn, claimed.attempt, place, ACCEPTED, [delivery for delivery, _ in claimed.records])

    def compared(self, one: str, other: str, count: int) -> tuple[float, float]:
        """Medians (ms) over the turns, of so many claims in each, under two configurations."""
        seen: tuple[list[float], list[float]] = ([], [])
        for _ in range(TURNS):
            for contact, times in zip((one, other), seen, strict=True):
                times.append(self.claims(contact, count))
        return statistics.median(seen[0]) * 1000, statistics.median(seen[1]) * 1000

    def imported(self, listed: int) -> float:
        """Seconds of `suppress import` of so many phones, none of whom waits."""
        path = self.at / "rne.csv"
        with path.open("w", encoding="ascii") as file:
            file.write("celular\n")
            file.writelines(f"32{number:08}\n" for number in range(listed))
        command = [PYTHON, "-m", "connector", "suppress", "import", str(path)]
        command += ["--list", "rne", "--of", "2026-11-01", "--replace"]
        environment = {**os.environ, **self.environment(CONTACT + _LIST)}
        begun = time.perf_counter()
        done = subprocess.run(command, cwd=places.ROOT, env=environment, capture_output=True, check=False)
        if done.returncode:
            raise Broken(f"suppress import: {done.stderr.decode()[-400:]}")
        return time.perf_counter() - begun

    def on_list(self) -> int:
        with self.database.read() as conn:
            return sum(one.size for one in registries.all_of(conn))


def arrival(router: Router, number: int) -> Arrival:
    event = Lead(id=f"B-{number}", type="lead.created", first_name="Ana", phones=(Phone(57, f"30{number:08}"),))
    made = router.deliveries("landing", event)
    return Arrival(
        source="landing", event_id=event.id, type=event.type, state="accepted", payload="{}", deliveries=made
    )


def measure(report: Report, kind: str, name: str, at: Path, backlog: int, listed: int) -> None:
    """The rows of one database."""
    with places.database(kind, at) as url, contextlib.closing(Closing(url, at)) as opened:
        bench = opened.bench
        keep_what_is_loaded()  # as a worker does
        bench.fill(backlog)
        people = min(IN_LEDGER, backlog // 10)
        bench.remember(people, backlog)
        count = max(1, min(CLAIMS, backlog // 4000 // TURNS - 1))
        without, under = bench.compared("", CONTACT, count)
        work = f"processor time of claim + settle 1,000 of {backlog:,} under the table contact, {name}"
        note = f"{people:,} contacts in the ledger"
        report.add(at_most(work, under, without, 1.3, unit="ms", of="claim without", note=note))
        seconds = bench.imported(listed)
        if bench.on_list() != listed:
            raise Broken(f"{bench.on_list():,} on the list, not {listed:,}")
        report.add(limit(f"suppress import of {listed:,}, {name}", seconds, IMPORT_S, unit="s"))
        plain, asked = bench.compared(CONTACT, CONTACT + _LIST, count)
        work = f"processor time of claim + settle 1,000 asking a list of {listed:,}, {name}"
        report.add(at_most(work, asked, plain, 1.2, unit="ms", of="claim without the list"))


class Closing:
    def __init__(self, url: str, at: Path) -> None:
        migrate(steps.engine_url(url))
        self.bench = Bench(url, at)

    def close(self) -> None:
        self.bench.database.close()
