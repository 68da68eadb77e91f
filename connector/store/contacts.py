"""The ledger of contacts: who was contacted when and by which channel, as hashes and times only. Queries only.

A row is written in the claim that begins the contact, under the lock `LOCK`, and removed once it is known that the
contact reached nobody. So the caps count possible contacts, over all routes, accounts and machines.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection, and_, delete, func, literal_column, select, text

from connector.core.caps import Contact
from connector.core.reasons import Code
from connector.core.states import DeliveryState
from connector.store import attempt_list
from connector.store.database import EACH, each_of, insert_rows
from connector.store.prepared import Prepared
from connector.store.schema import states_sql
from connector.store.tables import (
    IS_CLAIMED,
    IS_PENDING,
    WAY_BEGINS,
    call_proofs,
    contact_proofs,
    contacts,
    deliveries,
)

LOCK: Final = "contacts"  #: always taken after an account's lock
ROUNDS: Final = 8  #: how far it is followed which phones and e-mails belong together

_contacts = contacts.c


class Member(NamedTuple):
    """A delivery that is about to be sent, and all phones and e-mails of its person."""

    id: int
    ways: Sequence[str]  #: keyed hashes
    consent: Mapping[str, Any] | None  #: see `records.consent`


@dataclass(frozen=True, slots=True)
class Alike:
    """Members of a call that differ only in who they are, oldest first."""

    route: str
    place: str | None
    is_late: bool  #: what they are about happened before the moment that was given
    members: list[Member]


def members(conn: Connection, attempt: int, since: int | None) -> list[Alike]:
    """The members of an attempt that are to be sent, as few groups: a claim handles a thousand people of one place.

    ``since``: unix ms, see `Alike.is_late`; without it nobody is, and the events are not read.
    """
    parameters = {"attempt": attempt} if since is None else {"attempt": attempt, "since": since}
    rows = _MEMBERS[conn.dialect.name, since is not None].tuples(conn, parameters)
    return [Alike(route, place, bool(late), _read(*people)) for route, place, late, _, *people in rows]


def _read(numbers: str, firsts: str, further: str | None) -> list[Member]:
    """Of nearly everybody one way is known, and no consent: two lists of plain texts are read fastest."""
    known = orjson.loads(further) if further else {}
    people = sorted(zip(map(int, numbers.split(",")), firsts.split(","), strict=True))
    if known:
        return [_member(number, first, known.get(str(number))) for number, first in people]
    return [_NEW_MEMBER((number, (first,) if first else (), None)) for number, first in people]


def _member(number: int, first: str, known: tuple[list[str] | None, dict[str, Any] | None] | None) -> Member:
    ways, consent = known or (None, None)
    return _NEW_MEMBER((number, ways or ((first,) if first else ()), consent))


_NEW_MEMBER: Final = functools.partial(tuple.__new__, Member)  #: faster than to call the class


def _members(dialect: str, *, timed: bool) -> Prepared:
    text_of, join, build, group = {
        "sqlite": ("{}", "group_concat", "json_array(json({}), json({}))", "json_group_object"),
        "postgresql": (
            *("CAST({} AS text)", "string_agg", "json_build_array(CAST({} AS json), CAST({} AS json))"),
            "json_object_agg",
        ),
    }[dialect]
    further = build.format("records.contacts", "records.consent")
    columns = (
        f"{join}({text_of.format('deliveries.id')}, ',')",
        f"{join}(coalesce(records.contact, ''), ',')",
        text_of.format(
            f"{group}(deliveries.id, {further})"
            " FILTER (WHERE records.contacts IS NOT NULL OR records.consent IS NOT NULL)"
        ),
    )
    late = "coalesce(events.occurred_at, events.received_at) < :since" if timed else "false"
    return Prepared(
        f"SELECT deliveries.route, deliveries.place, {late} AS late, records.contact IS NULL AS unreachable,"
        f" {', '.join(columns)}"
        " FROM deliveries JOIN records ON records.delivery = deliveries.id"
        f"{' JOIN events ON events.id = deliveries.event' if timed else ''}"
        f" WHERE deliveries.attempt = :attempt AND {IS_CLAIMED.text} GROUP BY 1, 2, 3, 4"
    )


_MEMBERS: Final = {
    (dialect, timed): _members(dialect, timed=timed) for dialect in ("sqlite", "postgresql") for timed in (False, True)
}


class Past:
    """The contacts of many people since a moment. `of` returns one person's, by any phone or e-mail."""

    def __init__(self, conn: Connection, ways: Iterable[str], since: int) -> None:
        self._of_way: dict[str, list[Contact]] = {}
        self._of_delivery: dict[int, set[str]] = {}
        looked_up: set[str] = set()
        pending = {*ways}
        for _ in range(ROUNDS):
            if not pending:
                break
            found = _rows(conn, pending, since)
            looked_up |= pending
            for row in found:
                self._put(row.hash, row.delivery, row)
            pending = _related(conn, {row.delivery for row in found}) - looked_up

    def _put(self, way: str, delivery: int, row: Any) -> None:
        self._of_delivery.setdefault(delivery, set()).add(way)
        contact = Contact(delivery, row.attempt, row.at, row.channel, row.purpose)
        self._of_way.setdefault(way, []).append(contact)

    def of_nobody(self, ways: Iterable[str]) -> bool:
        """Whether none of these is known at all."""
        return self._of_way.keys().isdisjoint(ways)

    def known(self, ways: Iterable[str]) -> set[str]:
        """Those of these that are known."""
        return self._of_way.keys() & ways

    def add(self, ways: Iterable[str], contact: Contact) -> None:
        """One more that is decided on now."""
        for way in ways:
            self._of_delivery.setdefault(contact.delivery, set()).add(way)
            self._of_way.setdefault(way, []).append(contact)

    def of(self, ways: Sequence[str]) -> list[Contact]:
        """Contacts that reached, or may have reached, this person; each call once."""
        if self.of_nobody(ways):
            return []
        seen: set[str] = set()
        left = [*ways]
        found: dict[tuple[int, int], Contact] = {}
        while left:
            way = left.pop()
            if way in seen:
                continue
            seen.add(way)
            for contact in self._of_way.get(way, ()):
                left += self._of_delivery[contact.delivery] - seen
                if contact.channel:
                    found[contact.delivery, contact.attempt] = contact
        return sorted(found.values(), key=lambda one: one.at)


def _rows(conn: Connection, ways: Collection[str], since: int) -> Sequence[Any]:
    parameters = {"given": orjson.dumps(sorted(ways)).decode(), "since": since}
    return _ROWS[conn.dialect.name].all(conn, parameters)


def _related(conn: Connection, some: Collection[int]) -> set[str]:
    """Every way of these deliveries."""
    if not some:
        return set()
    parameters = {"given": orjson.dumps(sorted(some)).decode()}
    return set(_RELATED[conn.dialect.name].scalars(conn, parameters))


#: As the index has it.
_IS_WAY: Final = (
    f"{WAY_BEGINS.format('contacts.hash')} = {WAY_BEGINS.format('given.value')} AND contacts.hash = given.value"
)
#: Both use the index, with any statistics of the planner.
_ROWS: Final = {
    "sqlite": Prepared(
        "SELECT contacts.hash, contacts.delivery, contacts.attempt, contacts.at, contacts.channel, contacts.purpose"
        " FROM json_each(:given) AS given CROSS JOIN contacts"
        f" ON {_IS_WAY} WHERE contacts.at > :since"
    ),
    "postgresql": Prepared(
        "SELECT one.hash, one.delivery, one.attempt, one.at, one.channel, one.purpose"
        " FROM json_array_elements_text(CAST(:given AS json)) AS given (value)"
        f" CROSS JOIN LATERAL (SELECT * FROM contacts WHERE {_IS_WAY}"
        " AND contacts.at > :since OFFSET 0) AS one"
    ),
}
_RELATED: Final = {
    "sqlite": Prepared(
        "SELECT DISTINCT contacts.hash FROM json_each(:given) AS given CROSS JOIN contacts"
        " ON contacts.delivery = given.value"
    ),
    "postgresql": Prepared(
        "SELECT DISTINCT one.hash FROM json_array_elements_text(CAST(:given AS json)) AS given (value)"
        " CROSS JOIN LATERAL (SELECT hash FROM contacts WHERE contacts.delivery = CAST(given.value AS bigint)"
        " OFFSET 0) AS one"
    ),
}


# --- writing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Rows of the ledger that differ only in who is contacted. Without a ``channel`` they are no contacts, but link
    the phones and e-mails of one person.
    """

    attempt: int
    at: int  #: unix ms
    zone: ZoneInfo
    channel: str
    purpose: str
    country: str
    members: Sequence[Member]  #: a row for each phone and e-mail of each


@functools.lru_cache(maxsize=256)
def _calendar(at: int, zone: ZoneInfo) -> tuple[str, str]:
    """The day and the week of a moment (unix ms), by that clock."""
    local = datetime.fromtimestamp(at / 1000, zone)
    year, week, _ = local.isocalendar()
    return f"{local:%Y-%m-%d}", f"{year}-W{week:02}"


def put(conn: Connection, rows: Iterable[Written]) -> None:
    """Writes rows of the ledger; what it had of the same ways and deliveries is replaced."""
    for some in rows:
        day, week = _calendar(some.at, some.zone)
        shared = {
            "attempt": some.attempt,
            "at": some.at,
            "day": day,
            "week": week,
            "zone": str(some.zone),
            "channel": some.channel,
            "purpose": some.purpose,
            "country": some.country,
        }
        for people in _by_rank(some.members):
            _PUT[conn.dialect.name].change(conn, shared | {"given": people})


def _by_rank(some: Sequence[Member]) -> Iterator[str]:
    """JSON {delivery: way}, of everybody's first way, then of the second ways …: read faster than a list of pairs."""
    rank, left = 0, [member for member in some if member.ways]
    while left:
        for at in range(0, len(left), _AT_ONCE):
            people = {member.id: member.ways[rank] for member in left[at : at + _AT_ONCE]}
            yield orjson.dumps(people, option=orjson.OPT_NON_STR_KEYS).decode()
        rank += 1
        left = [member for member in left if len(member.ways) > rank]


_AT_ONCE: Final = 2000
_SHARED: Final = tuple(column.name for column in contacts.c if column.name not in ("hash", "delivery"))
_CHANGED: Final = ", ".join(f"{name} = excluded.{name}" for name in _SHARED if name != "attempt")
_PUT: Final = {
    name: Prepared(
        f"INSERT INTO contacts (hash, delivery, {', '.join(_SHARED)})"
        f" SELECT given.value, CAST(given.key AS bigint), {', '.join(':' + one for one in _SHARED)}"
        f" FROM {each} WHERE true ON CONFLICT (hash, delivery, attempt) DO UPDATE SET {_CHANGED}"
    )
    for name, each in (
        ("sqlite", "json_each(:given) AS given"),
        ("postgresql", "json_each_text(CAST(:given AS json)) AS given (key, value)"),
    )
}


def free(conn: Connection, some: Sequence[int], attempt: int, now: int) -> None:
    """Removes the contacts that reached nobody: those of the call's deliveries that wait again, died or ended.

    Other deliveries to the same people that waited for a cap become due.
    """
    for at in range(0, len(some), _AT_ONCE):
        parameters = {"given": orjson.dumps(some[at : at + _AT_ONCE]).decode(), "attempt": attempt}
        ways = {*conn.execute(_FREE[conn.dialect.name], parameters).scalars()}
        if ways:
            parameters = {"given": orjson.dumps(sorted(ways)).decode(), "now": now, "capped": str(Code.CAP_HELD)}
            conn.execute(_LOOK_AGAIN[conn.dialect.name], parameters)


def drop(conn: Connection, some: Sequence[int], attempt: int) -> None:
    """Removes the contacts of a call that provably never left, even if another call has the deliveries already."""
    for at in range(0, len(some), _AT_ONCE):
        parameters = {"given": orjson.dumps(some[at : at + _AT_ONCE]).decode(), "attempt": attempt}
        conn.execute(_DROP[conn.dialect.name], parameters)


_DROP: Final = {
    name: text(
        f"DELETE FROM contacts WHERE attempt = :attempt AND delivery IN"
        f" (SELECT CAST(given.value AS bigint) FROM {each})"
    )
    for name, each in EACH.items()
}
_UNSENT: Final = states_sql("deliveries.state", DeliveryState.PENDING, DeliveryState.DEAD, DeliveryState.SUPPRESSED)
_FREE: Final = {
    name: text(
        "DELETE FROM contacts WHERE attempt = :attempt AND delivery IN (SELECT deliveries.id FROM deliveries"
        f" WHERE deliveries.id IN (SELECT CAST(given.value AS bigint) FROM {each})"
        f" AND {_UNSENT}) RETURNING hash"
    )
    for name, each in EACH.items()
}
_LOOK_AGAIN: Final = each_of(
    f"UPDATE deliveries SET due_at = :now WHERE {IS_PENDING.text} AND due_at > :now AND reason_code = :capped"
    f" AND id IN (SELECT contacts.delivery FROM {{each}} JOIN contacts ON {_IS_WAY}"
    " WHERE contacts.attempt = 0)"
)


def purge(conn: Connection, before: int) -> int:
    """Deletes rows that no cap can count any more. Returns how many."""
    return conn.execute(delete(contacts).where(_contacts.at < before)).rowcount


def of_person(conn: Connection, ways: Sequence[str]) -> Sequence[Any]:
    """All rows of a person, the newest first."""
    begins = func.substr(_contacts.hash, literal_column("1"), literal_column("7")).in_([way[:7] for way in ways])
    theirs = and_(begins, _contacts.hash.in_(ways), _contacts.channel != "")
    return conn.execute(select(contacts).where(theirs).order_by(_contacts.at.desc())).all()


# --- why each was allowed -------------------------------------------------------------------------------------------


class Proof(NamedTuple):
    """The reason why some deliveries of a call were allowed: JSON, and what those who consented said."""

    proof: str
    members: Sequence[Member]


def keep_proofs(conn: Connection, attempt: int, at: int, some: Sequence[Proof]) -> None:
    """The reasons why the contacts of a call were allowed: one row for all that share one."""
    rows = [
        {
            "attempt": attempt,
            "number": number,
            "at": at,
            "proof": one.proof,
            "deliveries": orjson.dumps([member.id for member in one.members]).decode(),
            "consents": _consents(one.members),
        }
        for number, one in enumerate(some)
    ]
    insert_rows(conn, call_proofs, rows)


def _consents(some: Sequence[Member]) -> str | None:
    found = {str(member.id): member.consent for member in some if member.consent}
    return orjson.dumps(found).decode() if found else None


def proofs(conn: Connection, delivery: int) -> list[tuple[int, int, dict[str, Any]]]:
    """(attempt, unix ms, proof) of a delivery's attempts, in order."""
    former = contact_proofs.c
    query = select(former.attempt, former.at, former.proof).where(former.delivery == delivery)
    found = [(one.attempt, one.at, orjson.loads(one.proof)) for one in conn.execute(query)]
    calls = conn.execute(select(deliveries.c.attempts).where(deliveries.c.id == delivery)).scalar()
    rows = conn.execute(select(call_proofs).where(call_proofs.c.attempt.in_(attempt_list.numbers(calls))))
    found += [(row.attempt, row.at, _proof(row, delivery)) for row in rows if delivery in orjson.loads(row.deliveries)]
    return sorted(found, key=lambda one: one[0])


def _proof(row: Any, delivery: int) -> dict[str, Any]:
    consents = orjson.loads(row.consents) if row.consents else {}
    consent = consents.get(str(delivery))
    return {**orjson.loads(row.proof), **({"consent": consent} if consent else {})}


def purge_proofs(conn: Connection, before: int) -> int:
    """Deletes older proofs. Returns how many."""
    return sum(
        conn.execute(delete(table).where(table.c.at < before)).rowcount for table in (call_proofs, contact_proofs)
    )
