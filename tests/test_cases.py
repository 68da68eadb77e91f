"""Cases: what senders, people and programs really sent, each with what is right, as data alone.

``tests/payloads/cases/<mapping>/<name>.json`` (or .xml, .txt for a form) is a body as it arrives;
``<name>.expected.json`` says what the source says of itself (``region``, ``timezone``, ``fields``, ``closed``,
``extra_countries``), what was ``fetched`` for it, and what must become of it: the ``event``, ``errors`` by field, or
``ignored`` and why; of a thin one ``thin``. With ``row``, the fields of a dialler's row that it must have, in E.164.
`connector cases add` writes such a pair of a stored event.

``<name>.steps.json``: ``bodies`` that come one after the other, the ``statuses`` of what they become, and the ``types``
that are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from connector.admin.cases import outcome, plain
from connector.core.settings import Settings, Source
from connector.inbound.captured import captured
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router
from connector.store import inbox
from connector.store.database import Database
from connector.store.migrate import migrate
from connector.store.tables import events
from connector.vendors.destinations import name_of
from mappings.base import Invalid, Locale, Rendering
from mappings.configured import payload_mapping
from mappings.events import Lead, Ticket
from mappings.records.wolkvox import Row

CASES = Path(__file__).parent / "payloads" / "cases"
STEPS = sorted(CASES.glob("*/*.steps.json"))
FILES = sorted(one for one in CASES.glob("*/*") if not one.name.endswith((".expected.json", ".steps.json")))
GIVEN = ("region", "timezone", "extra_countries", "fields", "closed", "fetched", "row", "what")
BODIES: dict[str, Any] = json.loads((CASES.parent / "bodies.json").read_text())
OPT = ("mensaje", "curso", "program")


def expected_of(file: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(file.with_name(f"{file.stem}.expected.json").read_text())
    return said


def source_of(file: Path, said: Mapping[str, Any]) -> Source:
    locale = Locale(said["region"], ZoneInfo(said["timezone"]), tuple(said.get("extra_countries", ())))
    fields = {ours: name if isinstance(name, str) else tuple(name) for ours, name in said.get("fields", {}).items()}
    closed = tuple(said.get("closed", ()))
    return Source(name="case", mapping=file.parent.name, locale=locale, fields=fields, closed=closed)


def bodies(raw: bytes, suffix: str, source: Source) -> list[Any]:
    """The payloads in a body, as the inbox would keep them."""
    settings = Settings(sources={source.name: source})
    receiver = Receiver(settings, Router(settings, name_of))
    sent = captured(raw, suffix)
    arrivals, _ = receiver.arrivals(source, sent.body, content_type=sent.content_type, headers=sent.headers)
    return [json.loads(arrival.payload) for arrival in arrivals]


def row_of(event: Lead | Ticket, locale: Locale) -> dict[str, str]:
    """What a dialler would be given; {"tel1": ""} where it cannot be."""
    try:
        return Row(Rendering(locale=locale, phone_format="e164", opt=OPT)).render(event).record
    except Invalid:
        return {"tel1": ""}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_case_becomes_what_is_right(file: Path) -> None:
    said = expected_of(file)
    source = source_of(file, said)
    assert source.locale
    [body] = bodies(file.read_bytes(), file.suffix, source)
    mapping = payload_mapping(source.mapping, source.locale, source.fields, source.closed)
    become = outcome(mapping, body, said.get("fetched"))
    assert {name: plain(one) for name, one in become.items()} == {
        key: value for key, value in said.items() if key not in GIVEN
    }
    for name, value in said.get("row", {}).items():
        event = become["event"]
        assert row_of(event, source.locale).get(name, "") == value


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES)
def test_a_body_in_other_words_becomes_what_is_right(case: dict[str, Any]) -> None:
    """Short ones of `bodies.json`: whom a dialler calls, the type of a ticket, or why it is ignored."""
    suffix = case.get("suffix", ".json")
    file = CASES / case["mapping"] / f"body{suffix}"
    source = source_of(file, {"region": "CO", "timezone": "America/Bogota", **case})
    assert source.locale
    raw = case["text"].encode() if "text" in case else json.dumps(case["body"]).encode()
    body = bodies(raw, suffix, source)[0]
    mapping = payload_mapping(source.mapping, source.locale, source.fields, source.closed)
    become = outcome(mapping, body, None)
    assert become.get("ignored", "") == case.get("ignored", "")
    event = become.get("event")
    assert event is None or case.get("type", event.type) == event.type
    found = row_of(event, source.locale) if isinstance(event, Lead) else {}
    assert {name: found.get(name, "") for name in case.get("row", ())} == case.get("row", {})


def test_every_expected_file_has_its_case() -> None:
    expected = {path.name.removesuffix(".expected.json") for path in CASES.glob("*/*.expected.json")}
    assert expected == {file.stem for file in FILES}


@pytest.mark.parametrize("file", STEPS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_bodies_one_after_the_other_become_what_is_right(file: Path, sqlite_url: str) -> None:
    said = json.loads(file.read_text())
    source = source_of(file, said)
    settings = Settings(sources={source.name: source})
    receiver = Receiver(settings, Router(settings, name_of))
    migrate(sqlite_url)
    database = Database(sqlite_url)
    become: list[str] = []
    for body in said["bodies"]:
        raw = json.dumps(body).encode()
        arrivals, _ = receiver.arrivals(source, raw, content_type="application/json", headers={})
        with database.write() as conn:
            become += [stored.status for stored in inbox.store(conn, arrivals)]
    with database.read() as conn:
        types = conn.execute(select(events.c.type).order_by(events.c.id)).scalars().all()
    database.close()
    assert (become, types) == (said["statuses"], said["types"])
