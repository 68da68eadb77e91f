"""Where accounts and destinations stand: open, held until a time, blocked or paused until a person acts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from sqlalchemy import Connection, case, or_, select, update

from connector.db import insert_rows
from connector.pacing import Credit
from connector.tables import accounts, campaign_reports, destinations

_a = accounts.c
_d = destinations.c
_r = campaign_reports.c

DAY_MS: Final = 24 * 3600 * 1000
ASK_AGAIN_MS: Final = 3600 * 1000  #: how often starting workers ask for the budget, all together


@dataclass(frozen=True, slots=True)
class Told:
    """What the vendor said of the day's budget. Times in unix ms; 0: never."""

    others: int = 0  #: calls that other programs made with the token
    limit: int | None = None
    at: int = 0
    ask_at: int = 0  #: when to ask (again)

    def others_count(self, now: int) -> bool:
        """Whether the others' calls may still count at the vendor, whenever its day begins."""
        return self.others > 0 and now < self.at + DAY_MS


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """One row of `accounts`."""

    name: str
    state: str  #: open | paused | blocked
    reason: str | None
    since: int
    hold_until: int
    hold_reason: str | None
    faults: int
    calls_since_bulk: int
    credit: Credit | None = None  #: None: no call was asked for yet
    told: Told = Told()


@dataclass(frozen=True, slots=True)
class DestinationStanding:
    """One row of `destinations`."""

    name: str
    account: str
    state: str  #: open | stopped
    reason: str | None
    since: int
    claimed_at: int
    claimed_lane: int
    accepted_at: int
    refusals: str


def ensure(conn: Connection, names: Iterable[str], wheres: Iterable[tuple[str, str]], now: int) -> None:
    """Rows for the configured accounts and (destination, account) pairs, where they are missing."""
    blank = {"state": "open", "since": now}
    insert_rows(
        conn,
        accounts,
        [blank | {"name": n, "hold_until": 0, "faults": 0, "calls_since_bulk": 0} for n in names],
    )
    fresh = blank | {"claimed_at": 0, "claimed_lane": 0, "accepted_at": 0, "refusals": "[]"}
    insert_rows(conn, destinations, [fresh | {"name": n, "account": a} for n, a in wheres])


def account(conn: Connection, name: str) -> AccountStanding:
    """The account's row; it must have been ensured."""
    return _account(conn.execute(select(accounts).where(_a.name == name)).one())


def all_accounts(conn: Connection) -> list[AccountStanding]:
    return [_account(row) for row in conn.execute(select(accounts).order_by(_a.name))]


def _account(row: Sequence[Any]) -> AccountStanding:
    live, bulk, at, rate, rate_at, others, told_limit, told_at, ask_at = row[8:]
    hand = None if live is None else Credit(live, bulk, at, rate, rate_at)
    told = Told(others or 0, told_limit, told_at or 0, ask_at or 0)
    return replace(AccountStanding(*row[:8]), credit=hand, told=told)


def destination(conn: Connection, name: str) -> DestinationStanding:
    """The destination's row; it must have been ensured."""
    return DestinationStanding(*conn.execute(select(destinations).where(_d.name == name)).one())


def of_account(conn: Connection, name: str) -> list[DestinationStanding]:
    """All destinations of an account, the one that was served longest ago first."""
    query = select(destinations).where(_d.account == name).order_by(_d.claimed_at, _d.name)
    return [DestinationStanding(*row) for row in conn.execute(query)]


def all_destinations(conn: Connection) -> list[DestinationStanding]:
    return [DestinationStanding(*row) for row in conn.execute(select(destinations).order_by(_d.name))]


# --- accounts -------------------------------------------------------------------------------------------------------


def block(conn: Connection, name: str, reason: str, now: int) -> None:
    """No call until a person resumes the account."""
    open_one = (_a.name == name) & (_a.state == "open")
    conn.execute(update(accounts).where(open_one).values(state="blocked", reason=reason, since=now))


def hold(conn: Connection, name: str, reason: str, until: int) -> None:
    """No call before ``until``, nor before a later moment that was said already; one more fault in a row."""
    longer = _a.hold_until > until
    values = {
        "hold_until": case((longer, _a.hold_until), else_=until),
        "hold_reason": case((longer, _a.hold_reason), else_=reason),
        "faults": _a.faults + 1,
    }
    conn.execute(update(accounts).where(_a.name == name).values(values))


def well(conn: Connection, name: str, now: int) -> None:
    """The vendor answered as it should: the faults in a row end. Not while a hold lasts: the call is older than it."""
    troubled = (_a.name == name) & (_a.faults > 0) & (_a.hold_until <= now)
    conn.execute(update(accounts).where(troubled).values(hold_until=0, hold_reason=None, faults=0))


def pause(conn: Connection, name: str, reason: str, now: int) -> bool:
    values = {"state": "paused", "reason": reason, "since": now}
    return conn.execute(update(accounts).where(_a.name == name).values(values)).rowcount == 1


def resume(conn: Connection, name: str, now: int) -> bool:
    """Opens the account and its stopped destinations, without waiting out any hold."""
    cleared = {"state": "open", "reason": None, "since": now, "hold_until": 0, "hold_reason": None, "faults": 0}
    stopped = (_d.account == name) & (_d.state == "stopped")
    conn.execute(update(destinations).where(stopped).values(state="open", reason=None, since=now, refusals="[]"))
    return conn.execute(update(accounts).where(_a.name == name).values(cleared)).rowcount == 1


def count_call(conn: Connection, name: str, *, bulk: bool, credit: Credit | None = None) -> None:
    """Keeps count of how long bulk has waited for a call of its own; and what is left in hand, where that is kept."""
    values = {"calls_since_bulk": 0 if bulk else _a.calls_since_bulk + 1} | (_credit(credit) if credit else {})
    conn.execute(update(accounts).where(_a.name == name).values(values))


def paced(conn: Connection, name: str, credit: Credit) -> None:
    """What is in hand, and the rate at which it grows."""
    conn.execute(update(accounts).where(_a.name == name).values(_credit(credit)))


def _credit(credit: Credit) -> dict[str, Any]:
    return {
        "live_credit": credit.live,
        "bulk_credit": credit.bulk,
        "credit_at": credit.at,
        "rate": credit.rate,
        "rate_at": credit.rate_at,
    }


# --- what the vendor says of the budget -----------------------------------------------------------------------------


def ask_budget(conn: Connection, name: str, when: int) -> None:
    """The vendor is asked at ``when``."""
    conn.execute(update(accounts).where(_a.name == name).values(ask_at=when))


def ask_budget_again(conn: Connection, name: str, now: int) -> None:
    """The vendor is asked as soon as may be, unless somebody has lately."""
    lately = (_a.name == name) & or_(_a.told_at.is_(None), _a.told_at <= now - ASK_AGAIN_MS)
    conn.execute(update(accounts).where(lately).values(ask_at=now))


def budget_told(conn: Connection, name: str, told: Told) -> None:
    values = {"others": told.others, "told_limit": told.limit, "told_at": told.at, "ask_at": told.ask_at}
    conn.execute(update(accounts).where(_a.name == name).values(values))


# --- destinations ---------------------------------------------------------------------------------------------------


def claimed(conn: Connection, name: str, lane: int, now: int) -> None:
    conn.execute(update(destinations).where(_d.name == name).values(claimed_at=now, claimed_lane=lane))


def accepted(conn: Connection, name: str, now: int) -> None:
    """The destination took something: what it refuses from now on is the record's fault."""
    conn.execute(update(destinations).where(_d.name == name).values(accepted_at=now, refusals="[]"))


def works(standing: DestinationStanding, now: int) -> bool:
    """Whether it has accepted something within the last day."""
    return standing.accepted_at > now - DAY_MS


def refuse(conn: Connection, name: str, words: list[str]) -> None:
    """Remembers the words of lone records refused since something was accepted."""
    conn.execute(update(destinations).where(_d.name == name).values(refusals=orjson.dumps(words).decode()))


def refusals(standing: DestinationStanding) -> list[str]:
    words: list[str] = orjson.loads(standing.refusals)
    return words


def stop(conn: Connection, name: str, reason: str, now: int) -> None:
    """The destination itself is wrong: nothing is sent to it until a person acts."""
    conn.execute(update(destinations).where(_d.name == name).values(state="stopped", reason=reason, since=now))


# --- the campaign report --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What wolkvox said of its campaigns. Times in unix ms, 0: never."""

    asked_at: int = 0
    read_at: int = 0
    statuses: tuple[tuple[str, str], ...] = ()

    def status(self, campaign_id: str) -> str | None:
        return dict(self.statuses).get(campaign_id)


def report(conn: Connection, name: str) -> Report:
    row = conn.execute(select(_r.asked_at, _r.read_at, _r.statuses).where(_r.account == name)).first()
    return Report(row.asked_at, row.read_at, tuple(orjson.loads(row.statuses).items())) if row else Report()


def report_asked(conn: Connection, name: str, now: int) -> None:
    blank: dict[str, Any] = {"account": name, "asked_at": now, "read_at": 0, "statuses": "{}"}
    insert_rows(conn, campaign_reports, [blank])
    conn.execute(update(campaign_reports).where(_r.account == name).values(asked_at=now))


def report_rows(conn: Connection, name: str) -> list[Any] | None:
    """The vendor's own rows, as they were read at `Report.read_at`; None when they never were."""
    text = conn.execute(select(_r.rows).where(_r.account == name)).scalar()
    found: list[Any] | None = orjson.loads(text) if text else None
    return found


def report_ended(
    conn: Connection, name: str, attempt: str, statuses: dict[str, str] | None, rows: Sequence[Any] | None, now: int
) -> None:
    """What asking brought: None when nothing. A question that provably never left may be put again at once."""
    values: dict[str, Any] = {"asked_at": _r.read_at if attempt == "not_sent" else now}
    if statuses is not None:
        kept = orjson.dumps(rows).decode()
        values |= {"asked_at": now, "read_at": now, "statuses": orjson.dumps(statuses).decode(), "rows": kept}
    conn.execute(update(campaign_reports).where(_r.account == name).values(values))
