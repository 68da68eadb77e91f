"""A configured connector for tests of commands: payloads in at one end, calls out at the other, step by step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from connector.cli.demo_config import CONFIG, FORM_TOKEN, SECRET, TICKETS_TOKEN
from connector.core.settings import Settings
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.outbound.send import Line
from connector.outbound.worker import prepare
from connector.store import inbox, tables
from connector.store.arrivals import Stored
from connector.store.database import Database
from connector.vendors import VENDORS
from connector.vendors.destinations import name_of, places
from tests.outbound_steps import Out


class World(Out):
    """A whole configuration over one database, from payloads to vendors."""

    def __init__(self, settings: Settings, database: Database, *, install: str = "a1b2c3") -> None:
        self.settings = settings
        self.database = database
        self.places = places(settings)
        self.router = Router(settings, name_of)
        self.receiver = Receiver(settings, self.router)
        prepare(settings, database, self.places)
        self.lines = {
            name: Line(database, account, dict(self.places[name]), VENDORS[account.vendor].client(account), install)
            for name, account in settings.accounts.items()
        }

    def receive(self, source: str, *payloads: Any) -> list[Stored]:
        """Stores what a sender of this source sends, each in a request of its own."""
        return [self.receive_raw(source, orjson.dumps(payload)) for payload in payloads]

    def receive_raw(self, source: str, raw: bytes) -> Stored:
        arrivals, _ = self.receiver.arrivals(
            self.settings.sources[source], raw, content_type="application/json", headers={}
        )
        with self.database.write() as conn:
            return inbox.store(conn, arrivals, key=self.settings.hash_key)[0]

    def events(self) -> list[Any]:
        """Rows of the inbox, oldest first."""
        with self.database.read() as conn:
            return list(conn.execute(select(tables.events).order_by(tables.events.c.id)))

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table, to see that nothing changed."""
        with self.database.read() as conn:
            return {
                name: sorted(map(str, conn.execute(select(table)).all()))
                for name, table in tables.metadata.tables.items()
            }


def lead(number: int, **data: Any) -> dict[str, Any]:
    """Lead L-``number`` in our own JSON."""
    person = {"first_name": "Íñigo", "last_name": "da Conceição", "id_number": f"C-{number}", "city": "Medellín"}
    person |= {"phones": [f"300 {number // 10_000:03} {number % 10_000:04}"], "email": f"inigo{number}@example.com"}
    return {"id": f"L-{number}", "type": "lead.created", "data": person | data}


def ticket(number: int, kind: str = "ticket.closed", **data: Any) -> dict[str, Any]:
    """Ticket T-``number`` in our own JSON."""
    case = {"ticket_id": f"t{number}", "channel": "email", "comment": "muy bien", "answer_id": 6805511}
    case["customer"] = {"name": "Zoë Muñoz", "email": f"zoe{number}@example.com"}
    return {"id": f"T-{number}", "type": kind, "data": case | data}


def environment(folder: Path, database_url: str, vendors_url: str, *, more: str = "") -> dict[str, str]:
    """What a command needs to find in its environment; ``more`` is added to the configuration."""
    path = folder / "connector.toml"
    given = re.sub(r"\[console\].*?(?=\[metrics\])", "", CONFIG, flags=re.S)  # its tests open it themselves
    config = given.format(url=vendors_url, secret=SECRET, form=FORM_TOKEN, tickets=TICKETS_TOKEN)
    path.write_text(config + more, encoding="utf-8")
    return {
        "CONNECTOR_CONFIG": str(path),
        "DATABASE_URL": database_url,
        "CONNECTOR_SECRET_KEY": "invented-key",
        "LOG_LEVEL": "WARNING",
    }
