"""Imports the rows of a file into the inbox: mapped, stored in batches, repeatable.

A row has an id of its own or one made from its source and content, which stays the same: importing the file again
changes nothing, and after a kill the import continues where it stopped. Imported deliveries go in the bulk lane.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from connector.core.errors import ConnectorError, Unreadable
from connector.core.phrases import joined, phrase
from connector.core.settings import Route, Settings, Source
from connector.core.states import DeliveryState, EventState
from connector.inbound.committer import Committer
from connector.inbound.files.recording import Upload
from connector.inbound.files.replacing import REPLACES
from connector.inbound.files.rows import Row
from connector.inbound.payloads.decode import event_key
from connector.inbound.receiver import Receiver, unreadable
from connector.inbound.router import Router
from connector.store.arrivals import Arrival, Stored
from connector.store.database import Database
from connector.store.imports import ImportedRow
from connector.store.inbox import HASHED
from connector.store.lanes import BULK_OF
from connector.store.tables import events
from connector.store.text_list import among
from mappings.base import FieldError

IMPORTED: Final = "import:"  #: event ids made of source and content; unlike a webhook's they never lapse
AT_ONCE: Final = 500  #: rows in one transaction
TOLD: Final = 10  #: invalid rows that are listed one by one
SHOWN: Final = 5  #: rows that a dry run shows
_BATCH_BYTES: Final = 8_000_000


@dataclass(slots=True)
class Tally:
    """The counts of an import by result."""

    rows: int = 0
    accepted: int = 0
    duplicate: int = 0  #: stored before, by this file or another way
    ignored: int = 0  #: kept; no route wants them
    waiting: int = 0  #: thin: the rest is fetched
    invalid: int = 0  #: kept as invalid, once
    deliveries: int = 0
    dead: int = 0  #: of the deliveries: no record can be made
    expired: int = 0  #: of the deliveries: already older than their route allows
    left: int = 0  #: corrected rows whose place something has that was sent
    unread_phones: int = 0  #: invalid, with a phone that is no number as it was read
    noted: int = 0  #: accepted, but some optional field of theirs was dropped or cut
    faults: list[dict[str, Any]] = field(default_factory=list)  #: the first invalid ones: line, event_id, errors
    shown: list[tuple[int, Arrival]] = field(default_factory=list)  #: the first rows, of a dry run


class Bulk:
    """Imports the rows of a source; without a database it only shows the result.

    ``name_of`` gives the name of a route's destination; ``upload``: where what becomes of each row is written down.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        database: Database | None,
        name_of: Callable[[Route], str],
        upload: Upload | None = None,
    ) -> None:
        self._upload = upload
        self._called: dict[int, str] = {}  #: line -> id, of the batch's rows that are known by their content
        self.tally: Final = Tally()
        self._source = source
        #: the country of numbers without a country code
        self._region: Final = (source.locale or settings.locale).region
        self._receiver = Receiver(settings, Router(settings, name_of))
        self._database = database
        self._committer = Committer(database, settings.hash_key) if database else None

    def take(self, rows: Iterable[Row]) -> Iterator[Tally]:
        """Stores them batch by batch and yields the tally after each.

        Raises `ConnectorError`; earlier batches stay stored.

        If none of the first hundreds can be read or reaches a person, the file or the source is wrong: nothing is
        stored.
        """
        for batch in _batches(rows):
            self._take(batch)
            yield self.tally

    def close(self) -> None:
        if self._committer:
            self._committer.close()

    def _take(self, batch: Sequence[Row]) -> None:
        first = not self.tally.rows
        new = self._unknown(batch)
        arrivals = [(row.line, arrival) for row, key in new for arrival in self._arrivals(row, key)]
        if first and len(new) == len(batch) and arrivals and all(_reaches_nobody(arrival) for _, arrival in arrivals):
            raise _hopeless(arrivals, self._region)
        replaced = {row.line: row.replaces for row, _ in new if row.replaces is not None}
        left, places = self._replace(arrivals, replaced)
        arrivals = [(line, arrival) for line, arrival in arrivals if line not in left]
        verdicts = self._put([arrival for _, arrival in arrivals])
        self.tally.rows += len(batch)
        self.tally.duplicate += len(batch) - len(new)
        for (line, arrival), verdict in zip(arrivals, verdicts, strict=True):
            self._count(line, arrival, verdict)
        if self._upload is not None:
            stored = [
                ImportedRow(line, arrival.event_id, _status(verdict), places.get(line) if _took(verdict) else None)
                for (line, arrival), verdict in zip(arrivals, verdicts, strict=True)
            ]
            left_rows = [ImportedRow(line, "", "left", why=why) for line, why in left.items()]
            self._upload.keep([*self._before(batch, new), *stored, *left_rows])

    def _replace(
        self, arrivals: Sequence[tuple[int, Arrival]], replaced: Mapping[int, int]
    ) -> tuple[dict[int, str], dict[int, int]]:
        """Makes room for corrected rows that are good. Line -> why it is left out; line -> the row that it replaces."""
        if self._upload is None or not replaced:
            return {}, {}
        good = {line: arrival for line, arrival in arrivals if line in replaced and _is_good(arrival)}
        left = {line: why for line in good if (why := self._upload.refuse(replaced[line]))}
        for line, why in left.items():
            self.tally.left += 1
            if len(self.tally.faults) < TOLD:
                fault = {"field": REPLACES, "message": why}
                self.tally.faults.append({"line": line, "event_id": good[line].event_id, "errors": [fault]})
        self._upload.replace([(replaced[line], one.event_id) for line, one in good.items() if line not in left])
        return left, {line: replaced[line] for line in good if line not in left}

    def _before(self, batch: Sequence[Row], new: Sequence[tuple[Row, str]]) -> list[ImportedRow]:
        """The rows of the batch that were stored before."""
        fresh = {id(row) for row, _ in new}
        old = [row for row in batch if id(row) not in fresh]
        keyed = [(row, *_identity(self._source.name, row)[:2]) for row in old]
        return [ImportedRow(row.line, self._called.get(row.line, own or key), "duplicate") for row, key, own in keyed]

    def _arrivals(self, row: Row, key: str) -> list[Arrival]:
        """A row's events, mapped and routed into the bulk lane."""
        try:
            if row.fault:
                raise Unreadable((FieldError("row", row.fault),))
            arrivals, _ = self._receiver.arrivals(self._source, row.raw, content_type=row.content_type, headers={})
        except Unreadable as fault:
            arrivals = [unreadable(self._source, row.raw, row.content_type, fault)]
        for index, arrival in enumerate(arrivals):
            if arrival.event_id.startswith(HASHED):
                arrival.event_id = f"{key}.{index}" if len(arrivals) > 1 else key
            for delivery in arrival.deliveries:
                delivery.lane = BULK_OF[delivery.lane]
        return arrivals

    def _unknown(self, batch: Sequence[Row]) -> list[tuple[Row, str]]:
        """The rows that are not stored yet, as far as that is known without mapping them, with their keys."""
        keyed = [(row, *_identity(self._source.name, row)) for row in batch]
        if not self._database:
            return [(row, key) for row, key, _, _ in keyed]
        names = [name for _, key, own, _ in keyed for name in (key, own) if name]
        with self._database.read() as conn:
            known = _stored(conn, self._source.name, names)
        self._called = {row.line: key for row, key, _, _ in keyed if key in known}
        return [(row, key) for row, key, own, text in keyed if key not in known and (not own or known.get(own) != text)]

    def _put(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        """The result of each row. Rows that were kept as invalid before are not kept again."""
        if self._committer is None or self._database is None:
            return [Stored(a.state, a.event_id, len(a.deliveries)) for a in arrivals]
        with self._database.read() as conn:
            again = kept_before(conn, self._source.name, arrivals)
        stored = iter(self._committer.put([a for a in arrivals if id(a) not in again]))
        return [Stored(EventState.INVALID, a.event_id) if id(a) in again else next(stored) for a in arrivals]

    def _count(self, line: int, arrival: Arrival, verdict: Stored) -> None:
        status = _status(verdict)
        tally = self.tally
        setattr(tally, status, getattr(tally, status) + 1)
        tally.unread_phones += _has_unread_phone(arrival)
        if not self._database and len(tally.shown) < SHOWN:
            tally.shown.append((line, arrival))
        if status == EventState.INVALID and len(tally.faults) < TOLD:
            tally.faults.append({"line": line, "event_id": arrival.event_id, "errors": arrival.errors})
        if status == EventState.ACCEPTED:
            now = time.time() * 1000
            tally.deliveries += verdict.deliveries
            tally.dead += sum(delivery.state == DeliveryState.DEAD for delivery in arrival.deliveries)
            tally.expired += sum(delivery.expires_at <= now for delivery in arrival.deliveries)
            tally.noted += bool(arrival.notes)


def _status(verdict: Stored) -> str:
    return EventState.INVALID if verdict.status == "conflict" else verdict.status


def _took(verdict: Stored) -> bool:
    """Whether a corrected row is in the inbox, so that it has another's place."""
    return verdict.status in (EventState.ACCEPTED, EventState.WAITING, EventState.IGNORED)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows by the hundreds, fewer if they are large. Rows before a fault are yielded before the fault is raised."""
    batch: list[Row] = []
    size = 0
    try:
        for row in rows:
            batch.append(row)
            size += len(row.raw)
            if len(batch) == AT_ONCE or size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except ConnectorError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _reaches_nobody(arrival: Arrival) -> bool:
    """Whether nothing will ever be sent because of it: it is invalid, or no record can be made of it."""
    if arrival.state == EventState.INVALID:
        return True
    return bool(arrival.deliveries) and all(delivery.state == DeliveryState.DEAD for delivery in arrival.deliveries)


def _is_good(arrival: Arrival) -> bool:
    """Whether every record can be made of it, so that it may take another row's place."""
    return arrival.state != EventState.INVALID and not any(
        delivery.state == DeliveryState.DEAD for delivery in arrival.deliveries
    )


def _hopeless(arrivals: Sequence[tuple[int, Arrival]], region: str) -> ConnectorError:
    line, arrival = arrivals[0]
    errors = [joined([error["field"], error["message"]], ": ") for error in arrival.errors]
    dead = [str(delivery.reason) for delivery in arrival.deliveries if delivery.reason]
    facts = {"line": line, "number": len(arrivals), "why": joined(errors or [*dead, *arrival.notes], "; ")}
    one = "nothing is stored: its rows cannot be read and sent (line {line}: {why}); "
    several = "nothing is stored: not one of the first {number} rows can be read and sent (line {line}: {why}); "
    question = phrase("is it the right file and the right source?")
    hinted = any(_has_unread_phone(one) or one.notes for _, one in arrivals)
    hint = joined(["; ", of_another_country(region)]) if hinted else ""
    return ConnectorError(joined([phrase(several if len(arrivals) > 1 else one, **facts), question, hint]))


def of_another_country(region: str) -> str:
    """The advice where phones are of another country than the source's."""
    template = (
        "numbers without a country code are read as those of {region}: "
        "if they are another country's, give the source its region, or write them with their country code"
    )
    return phrase(template, region=region)


def _has_unread_phone(arrival: Arrival) -> bool:
    """Whether a phone was refused; one that was only remarked upon is in the notes."""
    return any(error["field"].startswith("phones.") or error["field"].endswith("_phone") for error in arrival.errors)


def _identity(source: str, row: Row) -> tuple[str, str, str]:
    """The key of a row's content, its own id ("" for none), and its text as the inbox keeps it."""
    canonical, own, text = row.raw, "", ""
    if not row.fault:
        with contextlib.suppress(orjson.JSONDecodeError, orjson.JSONEncodeError):
            body = orjson.loads(row.raw)
            canonical, text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS), orjson.dumps(body).decode()
            value = body.get("id") if isinstance(body, dict) else ""
            own = event_key(str(value).strip()) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return IMPORTED + sha256(source.encode() + b"\0" + canonical).hexdigest(), own, text


def _stored(conn: Connection, source: str, keys: Sequence[str]) -> dict[str, str]:
    """Key -> payload of the inbox's events with these keys."""
    columns = events.c
    query = select(columns.key, columns.payload).where(columns.source == source, columns.key.in_(among(conn, keys)))
    return {row.key: row.payload for row in conn.execute(query)}


def kept_before(conn: Connection, source: str, arrivals: Sequence[Arrival]) -> set[int]:
    """`id` of the arrivals that the inbox keeps as invalid already, word for word, and that would be so again.

    They get the errors that they are kept with.
    """
    columns = events.c
    names = [arrival.event_id for arrival in arrivals]
    query = select(columns.event_id, columns.payload, columns.errors).where(
        columns.source == source,
        columns.key.is_(None),
        columns.state == EventState.INVALID,
        columns.event_id.in_(among(conn, names)),
    )
    stored = {(row.event_id, row.payload): row.errors for row in conn.execute(query)}
    copies = [arrival for arrival in arrivals if (arrival.event_id, arrival.payload) in stored]
    # A row that is valid now may have been kept because another had its id before: it has, if that is still there.
    valid = {arrival.event_id: arrival.fingerprint for arrival in copies if arrival.state != EventState.INVALID}
    holders = select(columns.key, columns.fingerprint).where(
        columns.source == source, columns.key.in_(among(conn, list(valid)))
    )
    occupied = {row.key for row in conn.execute(holders) if row.fingerprint != valid[row.key]} if valid else set()
    again = [arrival for arrival in copies if arrival.state == EventState.INVALID or arrival.event_id in occupied]
    for arrival in again:
        arrival.errors = orjson.loads(stored[arrival.event_id, arrival.payload] or "[]")
    return {id(arrival) for arrival in again}
