"""Finds events by a phone, an e-mail, a sender's id, ours, a shortened id, or a name.

Phones, e-mails and ids are found however old their event is, by keyed hashes that a loop beside the worker writes.
Names are searched in the newest events, and the answer says how many these were.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson
from sqlalchemy import Connection, func, select

from connector.admin.identifiers import events_called, own_id, sources, typed
from connector.admin.privacy.person import phones as phones_of
from connector.core.errors import ConnectorError
from connector.core.log import get
from connector.core.loops import STOP_S, Loops
from connector.core.payload import DATA_URL, as_bytes
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.inbound.receiver import Receiver
from connector.inbound.router import Router, hashed
from connector.inbound.stored import payload_of
from connector.store import search_keys
from connector.store.database import Database, now_ms
from connector.store.tables import deliveries, events, records
from connector.vendors import destinations
from mappings.base import Ignored, Invalid
from mappings.events import Lead, Ticket
from mappings.normalisation import nfkd
from mappings.phones.reader import identities

SEARCHED: Final = 20_000  #: newest events whose payloads a search reads
TAKEN: Final = 1_000  #: events that one search finds, the newest
SHORTEST: Final = 2  #: letters of a name
AT_ONCE: Final = 200  #: events whose search keys are written in one transaction
INDEX_EVERY_S: Final = 2.0
REMEMBERED: Final = 4_000  #: persons of lists, as they are shown
LONGEST: Final = 100  #: letters of a value that may be a phone

_event = events.c
#: Begins where a word does: else a long word without an at sign would be read from each of its letters on.
_EMAIL: Final = re.compile(r"(?<![^\s,;:<>\"'()=&])[^\s,;:<>\"'()=&]+@[^\s,;:<>\"'()=&@]+\.[^\s,;:<>\"'()=&@.]+")
_ID_NAME: Final = re.compile(r"(?:^|[_\-. ])(?:id|guid|uuid)$|[a-z](?:Id|ID)$", re.IGNORECASE)
_NO_DIGIT: Final = re.compile(r"[^0-9]+")
#: As many digits as a phone has, with no word between them. To read a text for phones costs a hundred times this look.
_PHONE_LIKE: Final = re.compile(r"(?:\d[\W_]{0,12}){7}|[&%]")
#: Not a bare "id": in chats that is often the person's number.
_DOCUMENT: Final = re.compile(
    r"id_?(?:number|numero|no)|(?:document|identification|cedula|cpf|cnpj|rut|dni|nit|nif|curp)o?(?:_?(?:number|numero|no))?",
    re.IGNORECASE,
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)?")
_TELLING: Final = 6  #: the last digits of a number, however it is written
_WORD: Final = re.compile(r"\w+")

log = get("search")


@dataclass(frozen=True, slots=True)
class Found:
    """Row ids of events, and how far the search looked: "" if at everything."""

    events: tuple[int, ...]
    looked: str = ""


def find(conn: Connection, settings: Settings, text: str, *, names: bool = True) -> Found:
    """The events that a text may mean, in any state; without ``names`` only by phone, e-mail and id."""
    text = typed(text).strip()
    own = [_existing(conn, own_id(conn, text, "e")), _event_of(conn, own_id(conn, text, "d"))]
    ids = {number for number in own if number is not None}
    ids |= {*events_called(conn, settings, text), *_shortened(conn, text)}
    hashes = keys_of_text(text, settings)
    ids |= of_person(conn, hashes)
    # Who is found exactly, and whose phone or e-mail leads nowhere, is not looked for by name as well: that reads
    # thousands of payloads.
    by_name = names and not ids and not _is_way(text, settings)
    words = [word for word in _words(text) if len(word) >= SHORTEST] if by_name else []
    mentioned, looked = _mentions(conn, text, words, hashes, settings)
    ids |= mentioned
    return Found(tuple(sorted(ids, reverse=True)[:TAKEN]), looked)


def _is_way(text: str, settings: Settings) -> bool:
    """Whether it is an e-mail or a phone with its country, and nothing besides: bare digits may be a document."""
    is_phone = text.startswith("+") and not any(map(str.isalpha, text)) and bool(phones_of(text, settings))
    return is_phone or bool(_EMAIL.fullmatch(text))


def of_person(conn: Connection, hashes: Collection[str]) -> set[int]:
    """The newest events that one of these keys leads to."""
    contacts = records.c.contact.in_(hashes)
    mine = select(deliveries.c.event).join(records, records.c.delivery == deliveries.c.id).where(contacts)
    sent = conn.execute(mine.order_by(deliveries.c.id.desc()).limit(TAKEN)).scalars()
    return {*search_keys.events_of(conn, hashes, TAKEN), *sent}


def last_contact(conn: Connection, hashes: Collection[str], reaching: Collection[str]) -> Any | None:
    """The latest delivery of a person that one of these destinations took: id, route, destination, updated_at."""
    columns = (deliveries.c.id, deliveries.c.route, deliveries.c.destination, deliveries.c.updated_at)
    mine = deliveries.c.event.in_(of_person(conn, hashes))
    query = select(*columns).where(mine, deliveries.c.state == DeliveryState.DELIVERED)
    latest = query.where(deliveries.c.destination.in_(reaching)).order_by(deliveries.c.updated_at.desc())
    return conn.execute(latest.limit(1)).first()


def next_contact(conn: Connection, hashes: Collection[str], reaching: Collection[str]) -> Any | None:
    """The delivery of a person that waits for one of these destinations and is due first; None: none waits."""
    row = deliveries.c
    columns = (row.id, row.route, row.destination, row.due_at, row.reason_code, row.reason_facts, row.reason)
    mine = row.event.in_(of_person(conn, hashes))
    waiting = select(*columns).where(mine, row.state == DeliveryState.PENDING, row.destination.in_(reaching))
    return conn.execute(waiting.order_by(row.due_at, row.id).limit(1)).first()


def person_key(text: str, settings: Settings) -> str:
    """The masked form of a phone or an e-mail; "" when the text is neither."""
    numbers = [phone.e164 for phone in phones_of(text, settings)]
    one = numbers[0] if numbers else text if _EMAIL.fullmatch(text) else ""
    return hashed(settings.hash_key, "", one) or ""


def _existing(conn: Connection, event: int | None) -> int | None:
    if event is None:
        return None
    return conn.execute(select(_event.id).where(_event.id == event)).scalar()


def _event_of(conn: Connection, delivery: int | None) -> int | None:
    if delivery is None:
        return None
    return conn.execute(select(deliveries.c.event).where(deliveries.c.id == delivery)).scalar()


def _shortened(conn: Connection, text: str) -> list[int]:
    """Events whose id begins like a shortened one from a list: "import:4b96ad0c36b0f425d4…"."""
    begins = text.removesuffix("…").removesuffix("...")
    if begins == text or len(begins) < 4:
        return []
    query = select(_event.id).where(_event.source.in_(sources(conn)), func.substr(_event.key, 1, len(begins)) == begins)
    return list(conn.execute(query.order_by(_event.id.desc()).limit(TAKEN)).scalars())


# --- content of recent payloads --------------------------------------------------------------------------------------


def _mentions(
    conn: Connection, text: str, words: list[str], hashes: set[str], settings: Settings
) -> tuple[set[int], str]:
    """The newest events in which every word of the text begins a word; those without search keys yet, by their keys
    too.
    """
    done, last = search_keys.up_to(conn), search_keys.last_event(conn)
    signs = [phone.national[-_TELLING:] for phone in phones_of(text, settings)]
    newest = (
        select(_event.id, _event.payload, _event.content_type, _event.event_id)
        .order_by(_event.id.desc())
        .limit(SEARCHED)
    )
    if not words:
        newest = newest.where(_event.id > done)
    found: set[int] = set()
    number, oldest = 0, last
    for row in conn.execute(newest):
        number, oldest = number + 1, row.id
        if (words and _says(row.payload, words)) or (
            row.id > done and _may_hold(row.payload, text, signs) and hashes & keys_of_event(row, settings)
        ):
            found.add(row.id)
    if number < SEARCHED:
        return found, ""
    remark = f"names were looked for in the newest {number:,} of about {last:,} events"
    if oldest > done + 1:
        remark += f"; of {oldest - done - 1:,} older ones phones, e-mails and ids are not known yet: ask again later"
    return found, remark


def _may_hold(payload: str, text: str, signs: Collection[str]) -> bool:
    """A quick test without false negatives, because reading every phone of a payload is slow."""
    digits = _NO_DIGIT.sub("", payload) if signs else ""
    return any(sign in digits for sign in signs) or text.casefold() in payload.casefold()


def _says(payload: str, words: Collection[str]) -> bool:
    folded = fold(_plain(payload))
    if not all(word in folded for word in words):
        return False
    there = _WORD.findall(folded)
    return all(any(one.startswith(word) for one in there) for word in words)


def _plain(payload: str) -> str:
    return as_bytes(payload).decode("utf-8", "replace") if payload.startswith(DATA_URL) else payload


def fold(text: str) -> str:
    """Without accents and case: "nunez" of "Núñez"."""
    if text.isascii():
        return text.casefold()
    apart = nfkd(text)
    return "".join(c for c in apart if not unicodedata.combining(c)).casefold()


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(text))


# --- keys -----------------------------------------------------------------------------------------------------------


def keys_of_text(text: str, settings: Settings) -> set[str]:
    """The hashes under which an event with this phone, e-mail or id of a sender's is found."""
    numbers = [form for phone in phones_of(text, settings) for form in identities(phone)]
    keys = {hashed(settings.hash_key, "", one) for one in (*numbers, text if "@" in text else "")}
    return {one for one in (*keys, hashed(settings.hash_key, "id", text)) if one}


def keys_of_event(row: Any, settings: Settings) -> set[str]:
    """The same of everything in a payload that may be one of them."""
    try:
        body = orjson.loads(row.payload)
    except orjson.JSONDecodeError:
        body = _plain(row.payload).splitlines()
    keys: set[str | None] = {hashed(settings.hash_key, "id", row.event_id)}
    for name, value in _values(body, ""):
        if _ID_NAME.search(name):
            keys.add(hashed(settings.hash_key, "id", value))
        if "@" in value:
            keys |= {hashed(settings.hash_key, "", one) for one in _EMAIL.findall(value)}
        if len(value) <= LONGEST and _may_be_phone(name, value):
            keys |= {hashed(settings.hash_key, "", phone.e164) for phone in phones_of(value, settings)}
    return {one for one in keys if one}


def _may_be_phone(name: str, value: str) -> bool:
    if not _PHONE_LIKE.search(value) or _TIME.fullmatch(value):
        return False
    return sum(map(str.isdigit, value)) >= 7 and not (value.isdigit() and _DOCUMENT.fullmatch(name))


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every text and number of a payload with the name it stands under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, name)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield name, str(value)


class Indexer:
    """The loop that writes the search keys of stored events, a few hundred at a time. Runs beside a worker."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._loops = Loops(log)
        self._loops.add("index", self.step, what="writing the keys of events")

    def start(self) -> None:
        self._loops.start()

    def stop(self, timeout_s: float = STOP_S) -> bool:
        return self._loops.stop(timeout_s)

    def step(self) -> float:
        """Some events. Returns how long to wait for the next, in seconds."""
        with self._database.read() as conn:
            before = now_ms(conn) - search_keys.LAG_MS
            rows = search_keys.next_events(conn, search_keys.up_to(conn), before, AT_ONCE)
        if not rows:
            return INDEX_EVERY_S
        keys = {(key, row.id) for row in rows for key in keys_of_event(row, self._settings)}
        with self._database.write(serialise="search_keys") as conn:
            search_keys.write(conn, sorted(keys), rows[-1].id)
        return 0.1 if len(rows) == AT_ONCE else INDEX_EVERY_S


# --- who it is ------------------------------------------------------------------------------------------------------


class Who:
    """The person of an event for a list: "Ana N., +57 *** *** **01".

    Reading a payload takes most of the time of a list. What was found of the last ones is kept as it is shown, masked.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        self._receiver = Receiver(settings, Router(settings, destinations.name_of))
        self._known: dict[bytes, str] = {}

    def of(self, row: Any) -> str:
        """``row``: source, payload, content_type, event_id and fetched of an event; "" if no person can be read."""
        parts = (row.source, row.content_type, row.event_id, row.fetched or "", row.payload or "")
        key = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known = {}
            found = self._known[key] = self._read(row)
        return found

    def _read(self, row: Any) -> str:
        source = self.settings.sources.get(row.source)
        if source is None or not row.payload:
            return ""
        try:
            body = payload_of(row.payload, row.content_type, row.event_id).body
            event = self._receiver.read(source, body, orjson.loads(row.fetched) if row.fetched else None)
        except (Invalid, Ignored, ConnectorError, orjson.JSONDecodeError):
            return ""
        if isinstance(event, Lead):
            return _masked(f"{event.first_name} {event.last_name}", [one.e164 for one in event.phones[:1]], event.email)
        if isinstance(event, Ticket):
            phone = event.customer.phone
            return _masked(event.customer.name, [phone.e164] if phone else [], event.customer.email)
        return ""


def who_of(settings: Settings) -> Who:
    """The same object for the same settings."""
    known = _latest.get("who")
    if known is None or known.settings is not settings:
        known = _latest["who"] = Who(settings)
    return known


_latest: Final[dict[str, Who]] = {}


def _masked(name: str, phones: list[str], email: str) -> str:
    words = name.split()
    shown = " ".join([*words[:1], *(f"{word[0]}." for word in words[1:])])
    way = f"{phones[0][:3]} *** **{phones[0][-2:]}" if phones else f"{email[:1]}***" if email else ""
    return ", ".join(one for one in (shown, way) if one)
