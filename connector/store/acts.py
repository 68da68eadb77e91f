"""The decisions of operators: appended, never changed, without personal data. Queries only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, and_, false, func, or_, select

from connector.store.database import insert_rows
from connector.store.tables import acts

LOOKED_AT: Final = 20_000  #: rows for one page

_act = acts.c


class What(StrEnum):
    """The kind of a decision."""

    REPLAY = "replay"
    RESEND = "resend"  #: of delivered ones
    LANDED = "landed"  #: an uncertain one is delivered
    NOT_LANDED = "not_landed"  #: an uncertain one is sent again
    PAUSE = "pause"
    RESUME = "resume"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    ERASE = "erase"
    PURGE = "purge"
    FIRE = "fire"
    DISCARD = "discard"
    REDRIVE = "redrive"
    IMPORT = "import"
    BACKFILL = "backfill"
    REVEAL = "reveal"  #: somebody looked at a person's data
    EXPORT = "export"  #: somebody took a list as a file, persons masked
    EXPORT_ACTS = "export_acts"  #: somebody took the history as a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One decision. ``before``: what stood in its place, in our own words; ``number``: how many it was about."""

    what: What
    who: str
    why: str = ""
    delivery: int | None = None
    event: int | None = None
    account: str = ""
    about: str = ""  #: a source or a draft lot, if it is about neither a delivery, an event nor an account
    before: str = ""
    number: int | None = None


def append(conn: Connection, some: Sequence[Act], now: int) -> None:
    """Appends the acts, in the transaction of the decision."""
    insert_rows(conn, acts, [{"at": now} | asdict(one) | {"what": one.what.value} for one in some])


def of_deliveries(conn: Connection, event: int, deliveries: Collection[int]) -> Sequence[Any]:
    """The rows about an event and its deliveries, oldest first."""
    condition = or_(_act.event == event, _act.delivery.in_(deliveries) if deliveries else false())
    return conn.execute(select(acts).where(condition).order_by(_act.id)).all()


def of_accounts(conn: Connection, names: Collection[str], since: int, until: int) -> Sequence[Any]:
    """The rows about these accounts within a time (unix ms), oldest first."""
    closed = [What.PAUSE.value, What.RESUME.value]
    condition = and_(_act.account.in_(names), _act.what.in_(closed), _act.at >= since, _act.at <= until)
    return conn.execute(select(acts).where(condition).order_by(_act.id)).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Which rows are wanted; what is empty does not narrow. ``since``: unix ms."""

    who: str = ""
    what: str = ""
    account: str = ""
    since: int = 0


def page(conn: Connection, wanted: Narrowed, before: int | None, most: int) -> tuple[Sequence[Any], int]:
    """Rows before a row, the newest first; and the row down to which was looked: `LOOKED_AT` at most."""
    top = before if before is not None else 1 + (conn.execute(select(func.max(_act.id))).scalar() or 0)
    floor = max(0, min(top, 1 << 62) - LOOKED_AT)
    query = select(acts).where(_act.id < top, _act.id >= floor, _act.at >= wanted.since)
    for column, value in ((_act.who, wanted.who), (_act.what, wanted.what), (_act.account, wanted.account)):
        query = query.where(column == value) if value else query
    return conn.execute(query.order_by(_act.id.desc()).limit(most)).all(), floor


def number_of(conn: Connection, who: str, what: What, since: int) -> int:
    """How often somebody did this since then."""
    condition = and_(_act.at >= since, _act.who == who, _act.what == what.value)
    return int(conn.execute(select(func.count()).select_from(acts).where(condition)).scalar_one())


def latest(conn: Connection, since: int, most: int) -> Sequence[Any]:
    """The newest rows since then, newest first."""
    return conn.execute(select(acts).where(_act.at >= since).order_by(_act.id.desc()).limit(most)).all()
