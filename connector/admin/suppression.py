"""The do-not-contact list as an operator asks and changes it, one person at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from connector.admin.acts import By
from connector.admin.privacy.person import NOBODY, named
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.inbound.refusing import hint
from connector.inbound.router import hashed
from connector.store import acts, suppression_list
from connector.store.acts import What
from connector.store.database import Database, now_ms
from connector.store.suppression_list import Entry
from connector.vendors.destinations import SPECS, name_of


@dataclass(frozen=True, slots=True)
class Lookup:
    """The state of one person. ``stops``: pending deliveries that end when the person is put on the list."""

    hint: str
    listed: bool
    stops: tuple[str, ...]


def look_up(database: Database, settings: Settings, text: str) -> Lookup:
    """Whether a phone or an e-mail is on the list. Raises `ConnectorError`: it is neither, or the key is another."""
    one = _one_person(settings, text)
    key = _hash(settings, one)
    with database.read() as conn:
        suppression_list.demand_key(conn, settings.hash_key)
        listed = suppression_list.on_list(conn, [key])
        return Lookup(hint(one), listed, _stopped(conn, settings, key))


def add(database: Database, settings: Settings, text: str, by: By) -> Lookup:
    """Puts a person on the list. Raises `ConnectorError` as `look_up`, `Forbidden`."""
    one = _one_person(settings, text)
    key = _hash(settings, one)
    if not settings.secret_key:
        raise ConnectorError(phrase("CONNECTOR_SECRET_KEY is not set: people on the list could be guessed"))
    with database.write() as conn:
        suppression_list.keep_key(conn, settings.hash_key)
        now = now_ms(conn)
        act = by.act(What.SUPPRESS)
        new = suppression_list.add(conn, [Entry(key, hint(one), act.why, now)])
        acts.append(conn, [by.act(What.SUPPRESS, number=new)], now)
        return Lookup(hint(one), True, _stopped(conn, settings, key))


def remove(database: Database, settings: Settings, text: str, by: By) -> Lookup:
    """Takes a person off the list. Raises `ConnectorError` as `look_up`, `Forbidden`."""
    one = _one_person(settings, text)
    with database.write() as conn:
        suppression_list.demand_key(conn, settings.hash_key)
        was_listed = suppression_list.remove(conn, _hash(settings, one))
        acts.append(conn, [by.act(What.UNSUPPRESS, number=int(was_listed))], now_ms(conn))
    return Lookup(hint(one), False, ())


def newest(database: Database, most: int) -> tuple[int, Sequence[Entry]]:
    """How many are on the list, and the newest of them."""
    with database.read() as conn:
        return suppression_list.count(conn), suppression_list.entries(conn, most)


def _one_person(settings: Settings, text: str) -> str:
    found = named(text, settings)
    if found is None:
        raise ConnectorError(NOBODY)
    return found


def _hash(settings: Settings, one: str) -> str:
    return str(hashed(settings.hash_key, "", one))


def _stopped(conn: Connection, settings: Settings, key: str) -> tuple[str, ...]:
    return tuple(f"d{number}" for number in suppression_list.stopped(conn, [key], reaching_people(settings)))


def reaching_people(settings: Settings) -> set[str]:
    """The destinations whose vendors contact people."""
    return {name_of(route) for route in settings.routes if SPECS[route.to].contacts_people}


def surveying_once_in_90_days(settings: Settings) -> set[str]:
    """The destinations whose vendor is asked, before each survey, whether the person's last one is 90 days ago."""
    return {name_of(route) for route in settings.routes if route.options.get("ninety_day_rule")}


def channel_of(settings: Settings, name: str) -> str:
    """By which channel a route reaches people; "": that is not certain, or the route left the configuration."""
    routes = (route for route in settings.routes if route.name == name)
    return next((route.channel or SPECS[route.to].by_channel for route in routes), "")
