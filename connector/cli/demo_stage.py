"""The stage of `connector demo`: everything in one process, and its senders.

Every person here is invented, and so is every secret.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import orjson
import requests

from connector.admin.deliveries import Search
from connector.admin.deliveries import deliveries as list_deliveries
from connector.cli import output
from connector.cli.demo_config import (
    ALARM_SECRET,
    CIRCLE,
    CONFIG,
    FORM_TOKEN,
    HELPDESK_SECRET,
    KEPT,
    NOTED,
    SECRET,
    TICKETS_TOKEN,
)
from connector.cli.shutdown import Ending
from connector.cli.together import Together
from connector.config import loader
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.inbound.signatures import sign
from connector.store import migrate
from connector.vendors import destinations
from connector.vendors.sandbox.exchange import Sandbox

PATIENCE_S: Final = 60.0  #: for events that are still on their way
#: first name, last name, city
PEOPLE: Final = (
    ("Ana", "Núñez", "Medellín"),
    ("José Luís", "da Conceição", "São Paulo"),
    ("Íñigo", "Peña", "Bogotá"),
    ("Márcia", "Araújo", "Brasília"),
    ("Sofía", "Ibáñez", "Cúcuta"),
    ("João", "Simões", "Maceió"),
    ("Belén", "Muñoz", "Ibagué"),
    ("Mónica", "Acuña", "Popayán"),
    ("Antônio", "Magalhães", "Goiânia"),
    ("Raúl", "Ordóñez", "Montería"),
    ("Inês", "Falcão", "Vitória"),
    ("Ángela", "Cañón", "Tunja"),
    ("Óscar", "Piñeros", "Neiva"),
    ("Lúcia", "Brandão", "Belém"),
    ("Martín", "Güell", "Pasto"),
    ("Concepción", "Marín", "Quibdó"),
)
BAD: Final = 11  #: number of the lead whose row the vendor refuses
BAD_ID: Final = f"10000002{BAD:02}"


@dataclass(slots=True)
class Stage:
    """All running parts, and the results so far."""

    folder: Path
    settings: Settings
    sandbox: Sandbox
    together: Together
    ending: Ending | None = None
    checks: list[tuple[str, bool]] = field(default_factory=list)  #: the expectations, and whether they hold

    def must(self, what: str, so: bool) -> None:
        self.checks.append((what, so))


@contextmanager
def open_stage(folder: Path, *, full: bool, keep: bool = False) -> Iterator[Stage]:
    with Sandbox(poison=[BAD_ID]) as sandbox, _ear() if keep else nullcontext("") as alarms:
        settings = _settings(folder, sandbox.url, full=full, alarms=alarms)
        migrate.migrate(settings.database_url)
        together = Together(settings, "127.0.0.1", 0)
        together.listen()
        together.begin(settings)
        stage = Stage(folder, settings, sandbox, together)
        output.line(f"Web and worker: {together.url}; the vendors, simulated: {sandbox.url}", "dim")
        try:
            yield stage
        finally:
            together.stop(stage.ending or Ending())
            together.database.close()


def _settings(folder: Path, url: str, *, full: bool, alarms: str = "") -> Settings:
    path = folder / "connector.toml"
    written = CONFIG.format(url=url, secret=SECRET, form=FORM_TOKEN, tickets=TICKETS_TOKEN)
    if full:
        written += CIRCLE.format(url=url, helpdesk=HELPDESK_SECRET, noted=NOTED)
    if alarms:
        written += KEPT.format(alarms=alarms, secret=ALARM_SECRET)
    path.write_text(written, encoding="utf-8")
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'connector.db'}", "CONNECTOR_SECRET_KEY": "demo"}
    return loader.load(environ, config_path=str(path), destinations=destinations.SPECS)


# --- the senders ----------------------------------------------------------------------------------------------------


def lead(number: int, person: Sequence[str], *, identity: str = "", **data: Any) -> dict[str, Any]:
    first, last, city = person
    filled = {
        "first_name": first,
        "last_name": last,
        "id_type": "CC",
        "id_number": identity or f"10000001{number:02}",
        "city": city,
        "phones": [f"300 000 {number:04}"],
        "email": f"lead{number}@example.com",
        "extra": {"utm": {"source": "google"}, "program": "MBA"},
    }
    return {"id": f"L-{number}", "type": "lead.created", "time": now(), "data": filled | data}


def ticket(number: int, kind: str, person: Sequence[str], **data: Any) -> dict[str, Any]:
    first, last, _ = person
    filled = {
        "ticket_id": f"583dcb2855d0a46e438d{number:04}",
        "number": str(260 + number),
        "channel": "email",
        "created_at": now(-1),
        "updated_at": now(),
        "agent": {"id": 467, "name": "Thaís Gutiérrez", "email": "agent@example.com"},
        "customer": {
            "name": f"{first} {last}",
            "email": f"customer{number}@example.com",
            "phone": f"+57300000{number:04}",
        },
    }
    return {"id": f"T-{number}", "type": kind, "time": now(), "data": filled | data}


def now(days: int = 0) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class SenderAnswer:
    """The answer to a sender."""

    status: int
    body: Any
    sent_s: float  #: unix, when the request was begun

    @property
    def ids(self) -> str:
        return str(self.body.get("status", "")) if isinstance(self.body, dict) else ""


def post(stage: Stage, source: str, payload: Any, *, message_id: str = "", secret: str = SECRET) -> SenderAnswer:
    """Posts as the source's sender does, with signature or token."""
    body = orjson.dumps(payload)
    spec = stage.settings.sources[source].verify
    assert spec is not None
    secret = secret if spec.scheme == "standard-webhooks" else spec.secrets[0].reveal()
    headers = sign(spec, body, secret=secret, now_s=time.time(), message_id=message_id or str(payload["id"]))
    sent_s = time.time()
    with requests.Session() as session:
        session.trust_env = False
        url = f"{stage.together.url}/webhooks/{source}"
        answer = session.post(url, data=body, headers=headers | {"Content-Type": "application/json"}, timeout=30)
    return SenderAnswer(answer.status_code, answer.json(), sent_s)


def until(done: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def states(stage: Stage) -> dict[str, str]:
    """The sender's event id and route -> the delivery's state."""
    search = Search(limit=1000)
    found = list_deliveries(stage.together.database, stage.settings, search)
    return {f"{one['event_id']} {one['route']}": one["state"] for one in found}


def is_over(stage: Stage) -> bool:
    return not {DeliveryState.PENDING.value, DeliveryState.SENDING.value} & set(states(stage).values())


def dead_letters(stage: Stage) -> list[dict[str, Any]]:
    return list_deliveries(stage.together.database, stage.settings, Search(state=DeliveryState.DEAD.value))


def notify(stage: Stage, payload: Mapping[str, Any]) -> int:
    """Notifies as PostCenter does: the secret is a part of the address."""
    with requests.Session() as session:
        session.trust_env = False
        url = f"{stage.together.url}/webhooks/helpdesk/{HELPDESK_SECRET}"
        return session.post(url, json=payload, timeout=30).status_code


class _Ear(BaseHTTPRequestHandler):
    """Takes the messages about alarms, as a chat or a pager would."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the console shows who was told."""


@contextmanager
def _ear() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Ear)
    threading.Thread(target=server.serve_forever, name="alarms", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
