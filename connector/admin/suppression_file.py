"""A file of people who must not be contacted: looked at first, then put on the list as it was shown.

Between the two, keyed hashes and hints wait in the database for ten minutes, so that any process may do the second part
and no phone is kept in the clear.
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete, select

from connector.admin.acts import By
from connector.admin.privacy.people_file import PeopleFile
from connector.admin.privacy.person import locale_of
from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.settings import Settings
from connector.inbound.files.formats import opened
from connector.inbound.refusing import hint
from connector.inbound.router import hashed
from connector.store import acts, suppression_list
from connector.store import facts as stored
from connector.store.acts import What
from connector.store.database import Database, now_ms
from connector.store.suppression_list import Entry
from connector.store.tables import facts
from connector.vendors.destinations import SPECS, name_of

MOST: Final = 20_000  #: phones and e-mails of one file; larger ones by `connector suppress import`
GOOD_FOR_MS: Final = 10 * 60 * 1000
FAULTS_SHOWN: Final = 20
_WAITING: Final = "people_file."
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Preview:
    """The content of a file. ``faults``: (line, why) of lines that name nobody; ``doubtful``: unread columns."""

    token: str
    name: str
    people: int
    new: int
    stops: int  #: pending deliveries that end unsent
    columns: tuple[str, ...]
    faults: tuple[tuple[int, str], ...]
    faulty: int
    doubtful: tuple[str, ...]


def preview(database: Database, settings: Settings, name: str, raw: bytes, by: By) -> Preview:
    """Reads the file and changes nothing. Raises `ConnectorError` (unreadable, or nobody is in it), `Forbidden`."""
    by.demand(What.SUPPRESS)
    if not settings.secret_key:
        raise ConnectorError(phrase("CONNECTOR_SECRET_KEY is not set: people on the list could be guessed"))
    people, file, faults = _read(settings, name, raw)
    keys = list(people)
    with database.write() as conn:
        suppression_list.demand_key(conn, settings.hash_key)
        now = now_ms(conn)
        _forget_old(conn, now)
        token = secrets.token_urlsafe(16)
        waiting = {"at": now, "who": by.who, "people": list(people.items())}
        stored.add(conn, {f"{_WAITING}{token}": orjson.dumps(waiting).decode()})
        known = sum(suppression_list.listed(conn, keys[at : at + _AT_ONCE]) for at in range(0, len(keys), _AT_ONCE))
        stops = sum(_stopped(conn, settings, keys[at : at + _AT_ONCE]) for at in range(0, len(keys), _AT_ONCE))
    return Preview(
        token,
        name,
        len(keys),
        len(keys) - known,
        stops,
        tuple(file.read),
        tuple(faults[:FAULTS_SHOWN]),
        len(faults),
        tuple(file.doubtful),
    )


def add(database: Database, settings: Settings, token: str, by: By) -> int:
    """Puts the people of a file that was looked at on the list; returns how many are new.

    Raises `ConnectorError` if that was too long ago or by somebody else, `Forbidden`.
    """
    act = by.act(What.SUPPRESS)
    with database.write() as conn:
        suppression_list.keep_key(conn, settings.hash_key)
        now = now_ms(conn)
        _forget_old(conn, now)
        name = f"{_WAITING}{token}"
        found = stored.some(conn, name).get(name)
        waiting: dict[str, Any] = orjson.loads(found) if found else {}
        if waiting.get("who") != by.who:
            raise ConnectorError(phrase("This look at a file is older than ten minutes: choose the file again."))
        new = suppression_list.add(conn, [Entry(key, shown, act.why, now) for key, shown in waiting["people"]])
        conn.execute(delete(facts).where(facts.c.name == name))
        acts.append(conn, [by.act(What.SUPPRESS, number=new)], now)
    return new


def _read(settings: Settings, name: str, raw: bytes) -> tuple[dict[str, str], PeopleFile, list[tuple[int, str]]]:
    """Key -> hint of everybody in it; lines that name nobody."""
    people: dict[str, str] = {}
    faults: list[tuple[int, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{Path(name).suffix[:10]}"
        path.write_bytes(raw)
        with opened(path) as rows:
            file = PeopleFile(rows, locale_of(settings))
            for line in file:
                people |= {str(hashed(settings.hash_key, "", one)): hint(one) for one in line.people}
                faults += [(line.line, line.fault)] if line.fault else []
                if len(people) > MOST:
                    template = (
                        "The file names more than {most:,} people: connector suppress import reads it on the machine."
                    )
                    raise ConnectorError(phrase(template, most=MOST))
    if not people:
        raise ConnectorError(phrase("The file holds neither a phone nor an e-mail."))
    return people, file, faults


def _stopped(conn: Connection, settings: Settings, keys: list[str]) -> int:
    reaching = {name_of(route) for route in settings.routes if SPECS[route.to].contacts_people}
    return len(suppression_list.stopped_first(conn, keys, reaching))


def _forget_old(conn: Connection, now: int) -> None:
    """Looks that nobody followed up."""
    waiting = select(facts.c.name, facts.c.value).where(facts.c.name.startswith(_WAITING, autoescape=True))
    for row in conn.execute(waiting).all():
        if orjson.loads(row.value)["at"] < now - GOOD_FOR_MS:
            conn.execute(delete(facts).where(facts.c.name == row.name))
