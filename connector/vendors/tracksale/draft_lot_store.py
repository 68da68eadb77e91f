"""Draft lots of surveys that wait for an operator: the lots, our members, their state. Queries only.

A lot belongs to its campaign and to everybody: people add customers by hand, too. The vendor's list decides which lots
are drafts; these tables hold our part. Everything runs under the account's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from connector.core.outcomes import Draft
from connector.core.reasons import Code, Reason
from connector.core.states import DeliveryState, LotState
from connector.store import reasons
from connector.store.database import insert_rows
from connector.store.tables import deliveries, lot_deliveries, lots, records

_delivery = deliveries.c
_lot = lots.c
_member = lot_deliveries.c

DONE: Final = {"fire": LotState.FIRED, "discard": LotState.DISCARDED}  #: the order -> the state once it is done


@dataclass(frozen=True, slots=True)
class Lot:
    """A row of `lots`. Times in unix ms."""

    id: int
    account: str
    campaign: str
    code: str
    state: str  #: draft | fired | discarded | gone (not by us)
    changed_at: int
    asked: str | None  #: fire | discard, while it is not known whether that was done
    asked_at: int | None
    asked_until: int | None
    fires_at: int | None


@dataclass(frozen=True, slots=True)
class Ours:
    """Our members of a lot: how many, and the first and last time they were added (unix ms)."""

    count: int = 0
    first_at: int | None = None
    last_at: int | None = None


def put(conn: Connection, account: str, draft: Draft, members: Sequence[int], *, since: int, now: int) -> None:
    """These deliveries wait in the lot, by a call that began at ``since``."""
    if not members:
        return
    lot = ensure(conn, account, draft, now)
    conn.execute(delete(lot_deliveries).where(_member.delivery.in_(members)))  # of a lot that was discarded
    insert_rows(conn, lot_deliveries, [{"delivery": one, "lot": lot.id, "at": now} for one in members])
    if lot.state == LotState.DISCARDED and since <= lot.changed_at:
        _discard(conn, lot.id, now)
    elif lot.state in (LotState.DISCARDED, LotState.GONE):  # its code is used again, or the order came too early
        become(conn, lot.id, LotState.DRAFT, now)


def ensure(conn: Connection, account: str, draft: Draft, now: int) -> Lot:
    """The lot's row, new if we know nothing of it yet."""
    row = {
        "account": account,
        "campaign": draft.campaign,
        "code": draft.lot,
        "state": LotState.DRAFT,
        "changed_at": now,
    }
    insert_rows(conn, lots, [row])
    found = get(conn, account, draft)
    assert found is not None
    return found


def get(conn: Connection, account: str, draft: Draft) -> Lot | None:
    """Our knowledge of a lot."""
    found = _read(conn, and_(_lot.account == account, _lot.campaign == draft.campaign, _lot.code == draft.lot))
    return found[0] if found else None


def of_campaign(conn: Connection, account: str, campaign: str) -> list[Lot]:
    """All that we know of, the latest change last."""
    return _read(conn, and_(_lot.account == account, _lot.campaign == campaign))


def campaigns(conn: Connection, account: str) -> list[str]:
    """The campaigns of the account in which we know of a draft lot."""
    drafts = select(_lot.campaign).where(_lot.account == account, _lot.state == LotState.DRAFT)
    return list(conn.execute(drafts.distinct().order_by(_lot.campaign)).scalars())


def of_delivery(conn: Connection, delivery: int) -> tuple[Lot, int] | None:
    """The lot in which a delivery is, and since when."""
    row = conn.execute(select(_member.lot, _member.at).where(_member.delivery == delivery)).first()
    found = _read(conn, _lot.id == row.lot) if row else []
    return (found[0], row.at) if row and found else None


def _read(conn: Connection, where: ColumnElement[bool]) -> list[Lot]:
    return [Lot(*row) for row in conn.execute(select(lots).where(where).order_by(_lot.changed_at, _lot.id))]


def ours(conn: Connection, lot: int) -> Ours:
    """The number of our customers in the lot."""
    row = conn.execute(select(func.count(), func.min(_member.at), func.max(_member.at)).where(_member.lot == lot)).one()
    return Ours(*row)


def records_of(conn: Connection, lot: int) -> list[str]:
    """The records of our deliveries in the lot, but for those forgotten."""
    query = select(records.c.record).join(lot_deliveries, _member.delivery == records.c.delivery)
    return list(conn.execute(query.where(_member.lot == lot, records.c.record != "")).scalars())


# --- the end of a lot -----------------------------------------------------------------------------------------------


def order(conn: Connection, lot: int, what: str, *, fires_at: int | None, until: int, now: int) -> bool:
    """A person asks for it to be fired or discarded: written down before the call. False when that was done before."""
    free = and_(_lot.id == lot, _lot.state == LotState.DRAFT, _lot.asked.is_(None))
    values = {"asked": what, "asked_at": now, "asked_until": until, "fires_at": fires_at}
    return conn.execute(update(lots).where(free).values(values)).rowcount == 1


_UNASKED: Final[dict[str, Any]] = {"asked": None, "asked_at": None, "asked_until": None}


def not_done(conn: Connection, lot: int) -> None:
    """The order was certainly not executed."""
    conn.execute(update(lots).where(_lot.id == lot).values(**_UNASKED, fires_at=None))


def become(conn: Connection, lot: int, state: str, now: int) -> None:
    """The lot is now in this state. Deliveries of ours that were discarded with it end unsent."""
    conn.execute(update(lots).where(_lot.id == lot).values(state=state, changed_at=now, **_UNASKED))
    if state == LotState.DISCARDED:
        _discard(conn, lot, now)


def _discard(conn: Connection, lot: int, now: int) -> None:
    day = f"{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%d}"
    members = select(_member.delivery).where(_member.lot == lot)
    discarded = reasons.columns(Reason(Code.LOT_DISCARDED, {"day": day}))
    values = {"state": DeliveryState.SUPPRESSED, **discarded, "updated_at": now}
    conn.execute(
        update(deliveries).where(_delivery.id.in_(members), _delivery.state == DeliveryState.DELIVERED).values(values)
    )
