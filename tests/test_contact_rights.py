"""What people ask for and how it is answered: a registry asked, an access request, erasure, proof, a wished call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from connector.admin.privacy.retention import Schedule
from connector.cli.root import connector as command
from connector.config import loader
from connector.core.settings import ContactRules
from connector.store import contacts, suppression_list
from connector.store.database import Database
from connector.store.suppression_list import Entry
from connector.store.tables import records
from connector.vendors import destinations
from tests.connector_steps import World
from tests.contact_people import (
    BOGOTA,
    CO,
    HOUR,
    MONDAY,
    PATHS,
    People,
    at,
    case,
    clock,
    consenting,
    mailed,
    person,
)
from tests.outbound_steps import database, dial, store

__all__ = ["clock", "database", "store"]
pytestmark = pytest.mark.timeout(600)

Run = Callable[..., Result]
CONFIGURATION = """
timezone = "America/Bogota"
region = "CO"

[contact]
law = false
why = "a test at any hour"

[contact.lists.rne]
countries = ["CO"]
purposes = ["marketing"]
asked = "crc"
token = "invented-token"
base_url = "{url}"

[accounts.dialler]
vendor = "wolkvox"
base_url = "http://127.0.0.1:9"
token = "invented-1"

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
proof = {{ at = "consent_at", where = "page_url" }}
"""


class Registry(ThreadingHTTPServer):
    """The registry, simulated as far as public clients show it: it names those it has, and nobody else."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.listed: set[str] = set()
        self.asked: list[tuple[str, list[str]]] = []
        self.status, self.said = 200, ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        registry: Any = self.server
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        registry.asked.append((asked["type"], sorted(asked["keys"])))
        known = [{"key": key, "opcionesContacto": {"sms": True}} for key in asked["keys"] if key in registry.listed]
        allowed = self.headers["Authorization"] == "Bearer invented-token" and self.path.endswith("validarExcluidos")
        body = (registry.said or json.dumps(known)).encode()
        self.send_response(registry.status if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def environ(tmp_path: Path, sqlite_url: str, registry: Registry) -> dict[str, str]:
    path = tmp_path / "connector.toml"
    path.write_text(CONFIGURATION.format(url=registry.url), encoding="utf-8")
    return {"CONNECTOR_CONFIG": str(path), "DATABASE_URL": sqlite_url, "CONNECTOR_SECRET_KEY": "invented-key"}


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    return lambda *args: CliRunner().invoke(command, args, env=environ)


@pytest.fixture
def world(environ: dict[str, str]) -> Iterator[World]:
    database = Database(environ["DATABASE_URL"])
    yield World(loader.load(environ, destinations=destinations.SPECS), database)
    database.close()


def lead(number: int, phone: str = "", email: str = "", **extra: Any) -> dict[str, Any]:
    data = {"first_name": "Ana", "phones": [phone] if phone else [], "email": email, "extra": extra}
    return {"id": f"L-{number}", "type": "lead.created", "data": data}


def claims(world: World) -> None:
    """Looks until there is nothing to do, and makes no call."""
    for _ in range(6):
        found = world.claim("dialler")
        if getattr(found, "seconds", 0):
            return


# --- a registry that is asked ---------------------------------------------------------------------------------------


def test_a_registry_is_asked_about_those_who_wait_for_it(world: World, run: Run, registry: Registry) -> None:
    world.receive("landing", lead(1, "300 123 4567", "ana@example.com"), lead(2, "300 999 9999"))
    claims(world)
    assert {row.reason_code for row in world.deliveries()} == {"registry.unasked"}
    registry.listed = {"3009999999"}
    told = run("suppress", "ask", "rne", "--json")
    assert json.loads(told.stdout) == {"asked": 3, "listed": 1, "freed": 2}
    assert registry.asked == [("TEL", ["3001234567", "3009999999"]), ("COR", ["ana@example.com"])]
    claims(world)
    assert [row.state for row in world.deliveries()] == ["sending", "suppressed"]
    assert json.loads(run("suppress", "ask", "rne", "--json").stdout)["asked"] == 0


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (401, "", "renew it"),
        (500, "", "cannot be read"),
        (200, "<html>", "cannot be read"),
        (200, '{"data": []}', "cannot be read"),
        (200, '[{"key": "3110000000"}]', "names none of the people"),
    ],
)
def test_an_answer_that_cannot_be_read_frees_nobody(
    world: World, run: Run, registry: Registry, status: int, said: str, why: str
) -> None:
    world.receive("landing", lead(1, "300 123 4567"))
    claims(world)
    registry.status, registry.said = status, said
    told = run("suppress", "ask", "rne")
    assert told.exit_code == 1
    assert why in told.output
    assert "they go on waiting" in told.output
    assert "3001234567" not in told.output
    claims(world)
    assert [row.reason_code for row in world.deliveries()] == ["registry.unasked"]


# --- access and erasure ---------------------------------------------------------------------------------------------


def test_an_access_request_is_answered_and_erasing_leaves_a_no(world: World, run: Run) -> None:
    page = "https://x.example/ana/perez?a=ana"
    world.receive("landing", lead(1, "300 123 4567", consent_at="2026-11-01T10:00:00-05:00", page_url=page))
    claims(world)
    found = json.loads(run("person", "300 123 4567", "--json").stdout)
    (event,) = found["events"]
    (delivery,) = event["deliveries"]
    assert delivery["reason"].startswith("held: the list rne was not asked about this person")
    assert delivery["consent"]["where"] == "https://x.example"
    assert "perez" not in json.dumps(delivery["consent"])
    erased = json.loads(run("erase", "300 123 4567", "--never-again", "--yes", "--json").stdout)
    assert (erased["events"], erased["ended"]) == (1, 1)
    with world.database.read() as conn:
        assert conn.execute(select(records.c.consent, records.c.record)).all() == [(None, "")]
        assert [one.reason for one in suppression_list.entries(conn)] == ["erased, and never again"]
    after = json.loads(run("person", "300 123 4567", "--json").stdout)
    assert after["events"] == []
    assert after["do_not_contact"][0]["channels"] == "all"
    world.receive("landing", lead(2, "+57 3001234567"))
    claims(world)
    assert world.deliveries()[-1].reason_code == "suppression_list"


def test_the_own_list_knows_the_channel_of_a_replay_and_of_what_waits(world: World, run: Run) -> None:
    world.receive("landing", lead(1, "300 123 4567"))
    said = run("suppress", "add", "300 123 4567", "--channel", "email").output
    assert said == "1 added\n"
    said = run("suppress", "add", "300 123 4567", "--channel", "voice").output
    assert "1 pending to them ends suppressed" in said


# --- who asks again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "later", "again"), [("requested", 1, True), ("requested", -1, False), ("", 1, False)]
)
def test_who_said_no_and_asks_again_is_told_apart(database, clock, purpose, later, again):
    out = People(database, clock, dial(purpose=purpose or "marketing"))
    with database.write() as conn:
        said = clock.now - later * 24 * HOUR
        suppression_list.add(conn, [Entry(str(out.router.contact_hash("+573001234567")), "hint", "", said)])
    out.put([person(CO)])
    assert not out.tries()
    assert out.states() == {"suppressed": 1}
    told = "on the do-not-contact list"
    expected = f"{told}; asked again on 2026-11-23: connector suppress remove" if again else told
    assert out.reasons() == [expected]


# --- proof ----------------------------------------------------------------------------------------------------------


def test_proof_is_kept_for_its_time_and_the_ledger_for_its_longest_window(database, clock):
    out = People(database, clock, dial(proof=PATHS), rules=ContactRules(keep_proof_s=60 * 86400))
    out.put([consenting(CO, given=clock.now - HOUR)])
    assert out.tries()
    number = out.deliveries()[0].id

    def kept(days: int) -> tuple[int, int]:
        clock.now = MONDAY + days * 24 * HOUR
        Schedule(out.settings, database, threading.Event()).run_once()
        with database.read() as conn:
            return len(contacts.proofs(conn, number)), len(out.ledger())

    assert kept(7) == (1, 1)
    assert kept(59) == (1, 0)
    assert kept(61) == (0, 0)


# --- a wished call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wished", "values", "dialled", "noted"),
    [
        ("2026-11-22T10:00", {}, "20261123070000", True),  # a Sunday
        ("2026-11-24T21:30", {"purpose": "requested"}, "20261125070000", True),
        ("2026-11-24T21:30", {"purpose": "requested", "hours_as_asked": True}, "20261124213000", False),
        ("2026-11-24T21:30", {"hours_as_asked": True}, "20261125070000", True),  # nobody asked for it
        ("2026-11-24T11:00", {}, "20261124110000", False),
        ("2026-11-14T15:00", {}, "20261117070000", True),  # a long weekend
    ],
)
def test_a_wished_call_is_within_the_hours_unless_the_person_asked_for_that_one(
    database, clock, wished, values, dialled, noted
):
    out = People(database, clock, dial(**values))
    when = datetime.fromisoformat(wished).replace(tzinfo=BOGOTA)
    out.put([person(CO, callback_at=when)])
    with database.read() as conn:
        kept = conn.execute(select(records.c.record, records.c.notes)).one()
    assert json.loads(kept.record)["recall_date"] == dialled
    assert ("callback_at: moved to" in (kept.notes or "")) is noted


def test_who_asked_for_a_late_hour_is_sent_to_the_dialler_at_that_hour(database, clock):
    routes = dial(purpose="requested", hours_as_asked=True), dial("1043", name="plain", on=("lead.updated",))
    out = People(database, clock, *routes)
    clock.now = at("2026-11-23T21:00")
    wish = datetime.fromtimestamp(clock.now / 1000 + 1800, BOGOTA)
    out.put([person(CO, callback_at=wish), person("57 3009999999", type="lead.updated", callback_at=wish)])
    while out.tries():
        pass
    assert [row.state for row in out.deliveries()] == ["delivered", "pending"]


def test_only_email_is_where_the_configuration_says(database, clock):
    out = People(database, clock, mailed(), rules=ContactRules(without_number="ES"))
    clock.now = at("2026-11-23T04:00")  # 10:00 in Madrid and 09:00 in the Canaries
    out.put([case("ana@example.com")])
    assert out.tries("surveys")
