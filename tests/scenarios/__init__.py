"""Scenarios: what senders send, one after the other, and what must become of it, as data alone.

``<name>.json`` in this folder::

    {"source": {"mapping": "hubspot", …},     # as in the configuration
     "account": {"vendor": "hubspot", …},     # of a source of thin events; a scripted vendor answers it
     "on": ["lead.created"],                  # what is dialled; a closed ticket is surveyed
     "steps": [
       {"answers": {"/crm/v3/…": [{"status": 404}, {"body": {…}}]}},     # of the vendor, from now on
       {"request": {"headers": [["Content-Type", "text/plain"]], "body": {…}}, "status": 202, "says": "…"},
       {"message": {"content_encoding": "gzip", "body": {…}}},
       {"later_s": 3600},
       {"replay": "last"}],
     "want": {"events": [["accepted", "lead.created"]], "dialled": [["+573001112233"]], …}}

A body is JSON under ``body`` or a ``text``; ``packed`` says what it is compressed with, ``charset`` its encoding. A
request goes over a socket to the server of the served processes, a message through a broker, a call to a vendor over a
socket.
"""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import brotli
import zstandard
from sqlalchemy import select

import mappings
from connector.config import loader
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.inbound.rabbitmq.consumer import Consumer
from connector.store import tables
from connector.store.database import Database
from connector.vendors.destinations import SPECS, name_of
from connector.vendors.sandbox.exchange import Sandbox
from connector.web.wsgi import create_app
from tests.broker import AMQP_URL, Broker, wait_until
from tests.scripted_vendor import Said, Vendor
from tests.served import served
from tests.test_enrich import World

PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "": lambda raw: raw,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
CAMPAIGN, SURVEY = "1042", "52"
CONFIG: Final = """
region = {region}
timezone = "America/Bogota"
[accounts.dialler]
vendor = "wolkvox"
server = "0011"
token = "invented-dialler"
base_url = "{sandbox}"
phone_format = "e164"
[accounts.surveys]
vendor = "tracksale"
token = "invented-surveys"
base_url = "{sandbox}"
{account}
[sources.sender]
{source}
{routes}
"""
ROUTES: Final = {
    "dial": """
[[routes]]
name = "dial"
sources = ["sender"]
on = {on}
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "start"
""",
    "survey": """
[[routes]]
name = "survey"
sources = ["sender"]
on = {on}
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
""",
}


def toml(value: Any) -> str:
    """A value of JSON as TOML has it inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def table(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} = {toml(value)}" for name, value in values.items())


def settings_of(scenario: Mapping[str, Any], sandbox: str, vendor: str, queue: str, folder: Path) -> Settings:
    """The configuration of a scenario, as the product loads it."""
    is_meta = scenario["source"]["mapping"] == "meta_leadgen"
    verify = {"scheme": "none", **({"handshake": "invented-handshake"} if is_meta else {})}
    source = {"verify": verify, **scenario["source"]}
    if any("message" in step for step in scenario["steps"]):
        source |= {"queue": queue}
    account = ""
    if given := scenario.get("account"):
        source |= {"account": "told"}
        account = table({"token": "invented-told", "base_url": vendor, "timeout_s": 5, **given})
        account = f"[accounts.told]\n{account}"
    path = folder / "connector.toml"
    path.write_text(
        CONFIG.format(
            region=json.dumps(scenario.get("region", "CO")),
            sandbox=sandbox,
            account=account,
            source=table(source),
            routes=_routes(scenario),
        )
    )
    return loader.load({"AMQP_URL": AMQP_URL}, config_path=str(path), destinations=SPECS)


def _routes(scenario: Mapping[str, Any]) -> str:
    """The routes for events that the source can send."""
    possible = mappings.EVENT_TYPES[scenario["source"]["mapping"]]
    wanted = {"dial": scenario.get("on", ["lead.created"]), "survey": ["ticket.closed"]}
    kept = {name: [one for one in types if not possible or one in possible] for name, types in wanted.items()}
    return "".join(ROUTES[name].format(on=json.dumps(types)) for name, types in kept.items() if types)


def bytes_of(said: Mapping[str, Any]) -> bytes:
    text = said["text"] if "text" in said else json.dumps(said["body"], ensure_ascii=False)
    return PACKERS[said.get("packed", "")](text.encode(said.get("charset", "utf-8")))


class Running:
    """A web process, a worker and, where a scenario has messages, a consumer."""

    def __init__(self, world: World, port: int, vendor: Vendor, broker: Broker | None) -> None:
        self.world, self.port, self.vendor, self.broker = world, port, vendor, broker

    def play(self, step: Mapping[str, Any]) -> None:
        for path, said in step.get("answers", {}).items():
            self.vendor.tell(path, *(Said(one.get("status", 200), one.get("body")) for one in said))
        if "request" in step:
            answered = self.post(step["request"])
            status = int(answered.split(b" ", 2)[1])
            assert status == step["status"], answered.decode(errors="replace")
            assert step.get("says", "") in answered.decode(errors="replace")
        if "message" in step:
            self.publish(step["message"])
        if "later_s" in step:
            self.world.later(step["later_s"])
        if "replay" in step:
            self.world.replay(self.world.events()[-1].id)
        self.world.drain(*sorted(self.world.settings.accounts, reverse=True), *self.world.settings.accounts)

    def post(self, said: Mapping[str, Any]) -> bytes:
        """The answer to a request, as bytes."""
        raw = bytes_of(said)
        target = said.get("target", "/webhooks/sender")
        headers = [("Host", "connector.example"), *said.get("headers", ()), ("Content-Length", str(len(raw)))]
        lines = [f"{said.get('method', 'POST')} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        answered = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as line:
            for piece in _cut(head.encode() + raw, said.get("cut_at", ())):
                line.sendall(piece)
            while some := line.recv(65536):
                answered += some
        return answered

    def publish(self, said: Mapping[str, Any]) -> None:
        """Puts a message into the queue, and waits until the consumer has stored it."""
        assert self.broker
        before = len(self.world.events())
        properties = {name: value for name, value in said.items() if name not in ("body", "text", "packed", "charset")}
        self.broker.publish(bytes_of(said), **properties)
        wait_until(lambda: len(self.world.events()) > before, timeout_s=60)

    def become(self, sandbox: Sandbox) -> dict[str, Any]:
        """What all of it has become, as a scenario's ``want`` says it."""
        with self.world.database.read() as conn:
            rows = conn.execute(select(tables.events).order_by(tables.events.c.id)).all()
            accounts = conn.execute(select(tables.accounts.c.name, tables.accounts.c.state)).all()
        called = [
            [row[name] for name in sorted(row, key=_number) if name.startswith("tel") and row[name]]
            for row in sandbox.wolkvox.rows(CAMPAIGN)
        ]
        return {
            "events": [[row.state, row.type] for row in rows],
            "said": "\n".join(f"{row.notes} {row.errors}" for row in rows),
            "dialled": sorted(called),
            "names": sorted(row["customer_name"] for row in sandbox.wolkvox.rows(CAMPAIGN)),
            "surveyed": sorted(one["email"] for one in sandbox.tracksale.customers(SURVEY)),
            "deliveries": [list(one) for one in self.world.deliveries()],
            "accounts": {name: state for name, state in accounts if name == "told"},
            "asked": [one.path for one in self.vendor.asked],
        }


def _cut(raw: bytes, at: Any) -> Iterator[bytes]:
    start = 0
    for end in (*at, len(raw)):
        yield raw[start:end]
        start = end


def _number(name: str) -> int:
    return int(name[3:]) if name[3:].isdecimal() else 0


@contextmanager
def running(
    scenario: Mapping[str, Any], *, url: str, sandbox: Sandbox, vendor: Vendor, broker: Broker | None, folder: Path
) -> Iterator[Running]:
    """The product as a scenario configures it."""
    settings = settings_of(scenario, sandbox.url, vendor.url, broker.queue if broker else "", folder)
    with closing(Database(url)) as database, closing(Committer(database)) as committer:
        world = World(database, sandbox, vendor)
        world.use(settings)
        with served(create_app(settings, database, name_of, committer)) as port:
            consumer = Consumer(settings, database, world.receiver, committer) if broker else None
            if broker and consumer:
                consumer.start()
                wait_until(broker.exists, timeout_s=60)
            try:
                yield Running(world, port, vendor, broker)
            finally:
                if consumer:
                    consumer.stop()
