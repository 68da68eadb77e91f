"""The decisions of operators: appended, never changed, without personal data. Queries only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, false, func, or_, select

from connector.store.database import insert_rows
from connector.store.tables import acts

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


def page(conn: Connection, who: str, before: int | None, most: int) -> Sequence[Any]:
    """Rows of one person ("": of everybody) before a row, the newest first."""
    query = select(acts).order_by(_act.id.desc()).limit(most)
    if who:
        query = query.where(_act.who == who)
    return conn.execute(query if before is None else query.where(_act.id < before)).all()


def number_of(conn: Connection, who: str, what: What, since: int) -> int:
    """How often somebody did this since then."""
    condition = and_(_act.at >= since, _act.who == who, _act.what == what.value)
    return int(conn.execute(select(func.count()).select_from(acts).where(condition)).scalar_one())


def latest(conn: Connection, since: int, most: int) -> Sequence[Any]:
    """The newest rows since then, newest first."""
    return conn.execute(select(acts).where(_act.at >= since).order_by(_act.id.desc()).limit(most)).all()
