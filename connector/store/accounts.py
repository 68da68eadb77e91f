"""State of accounts and destinations: open, held until a time, blocked or paused until an operator acts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, case, or_, select, update

from connector.core.pacing import Credit
from connector.core.reasons import Code, Reason
from connector.core.states import AccountState, AttemptState, DestinationState
from connector.core.times import DAY_MS
from connector.store import reasons
from connector.store.database import insert_rows
from connector.store.prepared import Prepared
from connector.store.tables import accounts, campaign_reports, destinations

_account_row = accounts.c
_destination_row = destinations.c
_report_row = campaign_reports.c

ASK_AGAIN_MS: Final = 3600 * 1000  #: how often starting workers read the vendor's counter, all together


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The vendor's report of the day's budget. Times in unix ms; 0: never."""

    others: int = 0  #: calls that other programs made with the token
    limit: int | None = None
    at: int = 0
    ask_at: int = 0  #: when to read it (again)

    def others_count(self, now: int) -> bool:
        """Whether other programs' calls may still count at the vendor, whenever its day begins."""
        return self.others > 0 and now < self.at + DAY_MS


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """One row of `accounts`."""

    name: str
    state: str  #: open | paused | blocked
    reason: Reason | None
    since: int
    hold_until: int
    hold_reason: Reason | None
    faults: int
    calls_since_bulk: int
    credit: Credit | None = None  #: None: no call was made yet
    usage: UsageReport = UsageReport()
    fetched_source: str | None = None


@dataclass(frozen=True, slots=True)
class DestinationStanding:
    """One row of `destinations`."""

    name: str
    account: str
    state: str  #: open | stopped
    reason: Reason | None
    since: int
    claimed_at: int
    claimed_lane: int
    accepted_at: int
    refusals: str
    claimed_turn: int | None = None
    checked_turn: int | None = None


def ensure(conn: Connection, names: Iterable[str], wheres: Iterable[tuple[str, str]], now: int) -> None:
    """Rows for the configured accounts and (destination, account) pairs, where they are missing."""
    blank = {"state": AccountState.OPEN, "since": now}
    insert_rows(
        conn,
        accounts,
        [blank | {"name": n, "hold_until": 0, "faults": 0, "calls_since_bulk": 0} for n in names],
    )
    fresh = blank | {"claimed_at": 0, "claimed_lane": 0, "accepted_at": 0, "refusals": "[]"}
    insert_rows(conn, destinations, [fresh | {"name": n, "account": a} for n, a in wheres])


def account(conn: Connection, name: str) -> AccountStanding:
    """The account's row; it must have been ensured."""
    return _account(_ACCOUNT.one(conn, {"called": name}))


_ACCOUNT: Final = Prepared(select(accounts).where(_account_row.name == bindparam("called")))


def usage(conn: Connection, name: str) -> UsageReport:
    """The vendor's report of the account's budget; an empty one if no worker has served the account yet."""
    row = _ACCOUNT.first(conn, {"called": name})
    return _account(row).usage if row else UsageReport()


def all_accounts(conn: Connection) -> list[AccountStanding]:
    return [_account(row) for row in conn.execute(select(accounts).order_by(_account_row.name))]


def _account(row: Any) -> AccountStanding:
    credit = None
    if row.live_credit is not None:
        credit = Credit(row.live_credit, row.bulk_credit, row.credit_at, row.rate, row.rate_at)
    return AccountStanding(
        name=row.name,
        state=row.state,
        reason=reasons.of(row),
        since=row.since,
        hold_until=row.hold_until,
        hold_reason=reasons.hold_of(row),
        faults=row.faults,
        calls_since_bulk=row.calls_since_bulk,
        credit=credit,
        usage=UsageReport(others=row.others or 0, limit=row.told_limit, at=row.told_at or 0, ask_at=row.ask_at or 0),
        fetched_source=row.fetched_source,
    )


def _destination(row: Any) -> DestinationStanding:
    return DestinationStanding(
        name=row.name,
        account=row.account,
        state=row.state,
        reason=reasons.of(row),
        since=row.since,
        claimed_at=row.claimed_at,
        claimed_lane=row.claimed_lane,
        accepted_at=row.accepted_at,
        refusals=row.refusals,
        claimed_turn=row.claimed_turn,
        checked_turn=row.checked_turn,
    )


def destination(conn: Connection, name: str) -> DestinationStanding:
    """The destination's row; it must have been ensured."""
    return _destination(_DESTINATION.one(conn, {"called": name}))


_DESTINATION: Final = Prepared(select(destinations).where(_destination_row.name == bindparam("called")))


def of_account(conn: Connection, name: str) -> list[DestinationStanding]:
    """All destinations of an account, least recently served first."""
    return [_destination(row) for row in _OF_ACCOUNT.all(conn, {"of": name})]


_OF_ACCOUNT: Final = Prepared(
    select(destinations)
    .where(_destination_row.account == bindparam("of"))
    .order_by(_destination_row.claimed_at, _destination_row.name)
)


def all_destinations(conn: Connection) -> list[DestinationStanding]:
    return [_destination(row) for row in conn.execute(select(destinations).order_by(_destination_row.name))]


# --- accounts -------------------------------------------------------------------------------------------------------


def block(conn: Connection, name: str, reason: Reason, now: int) -> None:
    """Stops calls until an operator resumes the account."""
    open_one = (_account_row.name == name) & (_account_row.state == AccountState.OPEN)
    conn.execute(
        update(accounts).where(open_one).values(state=AccountState.BLOCKED, since=now, **reasons.columns(reason))
    )


def hold(conn: Connection, name: str, reason: Reason, until: int) -> None:
    """Allow no call before ``until``, or before a later moment that is set already; one more fault in a row."""
    longer = _account_row.hold_until > until
    values = {
        "hold_until": case((longer, _account_row.hold_until), else_=until),
        **{
            name: case((longer, _account_row[name]), else_=value)
            for name, value in reasons.hold_columns(reason).items()
        },
        "faults": _account_row.faults + 1,
    }
    conn.execute(update(accounts).where(_account_row.name == name).values(values))


def well(conn: Connection, name: str, now: int) -> None:
    """The vendor answered properly: the faults in a row end. Not during a hold: then the call is older than it."""
    _WELL.change(conn, {"called": name, "now": now})


_WELL: Final = Prepared(
    update(accounts)
    .where(
        _account_row.name == bindparam("called"), _account_row.faults > 0, _account_row.hold_until <= bindparam("now")
    )
    .values(hold_until=0, faults=0, **reasons.hold_columns(None))
)


def pause(conn: Connection, name: str, note: str, now: int) -> bool:
    """A person pauses the account; ``note``: why, in their words."""
    values = {"state": AccountState.PAUSED, **reasons.columns(Reason(Code.PAUSED, {"note": note})), "since": now}
    return conn.execute(update(accounts).where(_account_row.name == name).values(values)).rowcount == 1


def resume(conn: Connection, name: str, now: int) -> bool:
    """Opens the account and its stopped destinations, without waiting out any hold."""
    none = reasons.columns(None)
    cleared = {
        "state": AccountState.OPEN,
        "since": now,
        "hold_until": 0,
        "faults": 0,
        **none,
        **reasons.hold_columns(None),
    }
    stopped = (_destination_row.account == name) & (_destination_row.state == DestinationState.STOPPED)
    conn.execute(
        update(destinations).where(stopped).values(state=DestinationState.OPEN, since=now, refusals="[]", **none)
    )
    return conn.execute(update(accounts).where(_account_row.name == name).values(cleared)).rowcount == 1


def count_call(conn: Connection, name: str, *, bulk: bool, credit: Credit | None = None) -> None:
    """Records how long bulk has waited for a call of its own, and the remaining credit if it is kept."""
    parameters = {"called": name, "bulk": int(bulk)}
    if credit is None:
        _COUNT.change(conn, parameters)
    else:
        _COUNT_PACED.change(conn, parameters | {f"new_{column}": value for column, value in _credit(credit).items()})


_COUNTED: Final = (
    update(accounts)
    .where(_account_row.name == bindparam("called"))
    .values(calls_since_bulk=case((bindparam("bulk") == 1, 0), else_=_account_row.calls_since_bulk + 1))
)
_COUNT: Final = Prepared(_COUNTED)
_COUNT_PACED: Final = Prepared(
    _COUNTED.values(
        {name: bindparam(f"new_{name}") for name in ("live_credit", "bulk_credit", "credit_at", "rate", "rate_at")}
    )
)


def paced(conn: Connection, name: str, credit: Credit) -> None:
    """The credit and the rate at which it grows."""
    conn.execute(update(accounts).where(_account_row.name == name).values(_credit(credit)))


def _credit(credit: Credit) -> dict[str, Any]:
    return {
        "live_credit": credit.live,
        "bulk_credit": credit.bulk,
        "credit_at": credit.at,
        "rate": credit.rate,
        "rate_at": credit.rate_at,
    }


# --- the vendor's report of the budget ------------------------------------------------------------------------------


def ask_budget(conn: Connection, name: str, when: int) -> None:
    """Schedules a read of the vendor's counter at ``when``."""
    conn.execute(update(accounts).where(_account_row.name == name).values(ask_at=when))


def ask_budget_again(conn: Connection, name: str, now: int) -> None:
    """Schedules a read of the vendor's counter at once, unless it was read recently."""
    lately = (_account_row.name == name) & or_(
        _account_row.told_at.is_(None), _account_row.told_at <= now - ASK_AGAIN_MS
    )
    conn.execute(update(accounts).where(lately).values(ask_at=now))


def set_usage(conn: Connection, name: str, report: UsageReport) -> None:
    values = {"others": report.others, "told_limit": report.limit, "told_at": report.at, "ask_at": report.ask_at}
    conn.execute(update(accounts).where(_account_row.name == name).values(values))


def fetched_in_turn(conn: Connection, name: str, source: str | None) -> None:
    """The source of the thin event that is fetched; None unless several sources wait."""
    conn.execute(update(accounts).where(_account_row.name == name).values(fetched_source=source))


# --- destinations ---------------------------------------------------------------------------------------------------


def claimed(conn: Connection, name: str, lane: int, now: int) -> None:
    """Something was claimed there."""
    _CLAIMED.change(conn, {"called": name, "now": now, "from_lane": lane})


def claimed_in_turn(conn: Connection, name: str, lane: int, now: int, turn: int | None) -> None:
    """The same; ``turn``: the number of the source that had its turn, None unless several sources wait."""
    _CLAIMED_IN_TURN.change(conn, {"called": name, "now": now, "from_lane": lane, "of_turn": turn})


def checked_in_turn(conn: Connection, name: str, lane: int, now: int, turn: int) -> None:
    """The same for a pre-check."""
    _CHECKED_IN_TURN.change(conn, {"called": name, "now": now, "from_lane": lane, "of_turn": turn})


_SERVED: Final = (
    update(destinations)
    .where(_destination_row.name == bindparam("called"))
    .values(claimed_at=bindparam("now"), claimed_lane=bindparam("from_lane"))
)
_CLAIMED: Final = Prepared(_SERVED)
_CLAIMED_IN_TURN: Final = Prepared(_SERVED.values(claimed_turn=bindparam("of_turn")))
_CHECKED_IN_TURN: Final = Prepared(_SERVED.values(checked_turn=bindparam("of_turn")))


def accepted(conn: Connection, name: str, now: int) -> None:
    """The destination accepted something: from now on a refusal is the record's fault."""
    _ACCEPTED.change(conn, {"called": name, "now": now})


_ACCEPTED: Final = Prepared(
    update(destinations)
    .where(_destination_row.name == bindparam("called"))
    .values(accepted_at=bindparam("now"), refusals="[]")
)


def works(standing: DestinationStanding, now: int) -> bool:
    """Whether it has accepted something within the last day."""
    return standing.accepted_at > now - DAY_MS


def refuse(conn: Connection, name: str, words: list[str]) -> None:
    """Keeps the words of single records refused since the last acceptance."""
    conn.execute(
        update(destinations).where(_destination_row.name == name).values(refusals=orjson.dumps(words).decode())
    )


def refusals(standing: DestinationStanding) -> list[str]:
    words: list[str] = orjson.loads(standing.refusals)
    return words


def stop(conn: Connection, name: str, reason: Reason, now: int) -> None:
    """The destination itself is misconfigured: nothing is sent to it until an operator acts."""
    conn.execute(
        update(destinations)
        .where(_destination_row.name == name)
        .values(state=DestinationState.STOPPED, since=now, **reasons.columns(reason))
    )


# --- the campaign report --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """The vendor's report of its campaigns. Times in unix ms, 0: never."""

    asked_at: int = 0
    read_at: int = 0
    statuses: tuple[tuple[str, str], ...] = ()

    def status(self, campaign_id: str) -> str | None:
        return dict(self.statuses).get(campaign_id)


def report(conn: Connection, name: str) -> Report:
    row = conn.execute(
        select(_report_row.asked_at, _report_row.read_at, _report_row.statuses).where(_report_row.account == name)
    ).first()
    return Report(row.asked_at, row.read_at, tuple(orjson.loads(row.statuses).items())) if row else Report()


def report_asked(conn: Connection, name: str, now: int) -> None:
    blank: dict[str, Any] = {"account": name, "asked_at": now, "read_at": 0, "statuses": "{}"}
    insert_rows(conn, campaign_reports, [blank])
    conn.execute(update(campaign_reports).where(_report_row.account == name).values(asked_at=now))


def report_rows(conn: Connection, name: str) -> list[Any] | None:
    """The vendor's own rows as of `Report.read_at`; None if they were never read."""
    text = conn.execute(select(_report_row.rows).where(_report_row.account == name)).scalar()
    found: list[Any] | None = orjson.loads(text) if text else None
    return found


def report_ended(
    conn: Connection, name: str, attempt: str, statuses: dict[str, str] | None, rows: Sequence[Any] | None, now: int
) -> None:
    """Stores the result of reading the report, or None. A read that provably never left may be repeated at once."""
    values: dict[str, Any] = {"asked_at": _report_row.read_at if attempt == AttemptState.NOT_SENT else now}
    if statuses is not None:
        rows_json = orjson.dumps(rows).decode()
        values |= {"asked_at": now, "read_at": now, "statuses": orjson.dumps(statuses).decode(), "rows": rows_json}
    conn.execute(update(campaign_reports).where(_report_row.account == name).values(values))
