"""The log of calls, written before each is made. It is also the limiter: a slot is a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, literal_column, select, update

from connector.core.quota import Limits, Used
from connector.core.states import FORMER_PRECHECK, AttemptState, Kind
from connector.store.prepared import Prepared
from connector.store.tables import IS_STARTED, TO_PROBE, attempts, country_calls, source_calls

_attempt = attempts.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request, as logged."""

    id: int
    account: str
    destination: str
    kind: str  #: `core.states.Kind`, or a lookup of a vendor
    started_at: int
    deadline: int
    records: int = 0
    about: int | None = None


def start(
    conn: Connection,
    *,
    account: str,
    destination: str,
    kind: str,
    worker: str,
    now: int,
    timeout_ms: int,
    about: int | None = None,
) -> Attempt:
    """Logs a call that is about to be made; from here on it holds a slot."""
    deadline = now + timeout_ms
    row = {
        "account": account,
        "destination": destination,
        "kind": kind,
        "state": AttemptState.STARTED,
        "worker": worker,
        "records": 0,
        "started_at": now,
        "deadline": deadline,
        "ended_at": deadline,
        "about": about,
    }
    number = _START.scalar(conn, row)
    return Attempt(
        id=number, account=account, destination=destination, kind=kind, started_at=now, deadline=deadline, about=about
    )


_STARTED_WITH: Final = (
    *("account", "destination", "kind", "state", "worker", "records", "started_at", "deadline", "ended_at", "about"),
)
# Prepared once: building a statement costs more than running it, and a lone lead needs each of them.
_START: Final = Prepared(
    insert(attempts).values({name: bindparam(name) for name in _STARTED_WITH}).returning(_attempt.id)
)
_SET_RECORDS: Final = Prepared(update(attempts).where(_attempt.id == bindparam("of")).values(records=bindparam("many")))


def set_records(conn: Connection, attempt: int, records: int) -> None:
    _SET_RECORDS.change(conn, {"of": attempt, "many": records})


def forget(conn: Connection, attempt: int) -> None:
    """Deletes an attempt without members, inside the transaction that made it."""
    conn.execute(delete(attempts).where(_attempt.id == attempt))


def finish(
    conn: Connection, attempt: int, *, state: str, now: int, status: int | None = None, words: str | None = None
) -> bool:
    """Ends the attempt. False if it has ended before with a final outcome (accepted, rejected, not sent).

    A late answer still ends an unknown attempt. A call without an answer keeps its slot until its deadline.
    """
    parameters = {"of": attempt, "to": state, "http": status, "said": words}
    if state == AttemptState.UNKNOWN and status is None:
        return _IS_UNKNOWN.change(conn, parameters) == 1
    ended_at = None if state == AttemptState.NOT_SENT else now
    statement = _IS_ANSWERED if state == AttemptState.UNKNOWN else _FINISH
    is_ended = statement.change(conn, parameters | {"ended": ended_at}) == 1
    if is_ended and state == AttemptState.NOT_SENT:
        conn.execute(delete(source_calls).where(source_calls.c.attempt == attempt))
        conn.execute(delete(country_calls).where(country_calls.c.attempt == attempt))
    return is_ended


_UNSETTLED: Final = and_(
    _attempt.id == bindparam("of"), _attempt.state.in_((AttemptState.STARTED, AttemptState.UNKNOWN))
)
_TOLD: Final = (
    update(attempts).where(_UNSETTLED).values(state=bindparam("to"), status=bindparam("http"), words=bindparam("said"))
)
_IS_UNKNOWN: Final = Prepared(_TOLD)
#: Answered, though not what became of it: the vendor works on it no more.
_IS_ANSWERED: Final = Prepared(_TOLD.values(ended_at=bindparam("ended")))
_FINISH: Final = Prepared(_TOLD.values(ended_at=bindparam("ended"), probe_at=None))


def lapsed(conn: Connection, account: str, now: int) -> list[Attempt]:
    """Started, past their deadline: a worker died or was frozen. They may have landed."""
    return _read(_LAPSED.all(conn, {"of": account, "now": now}))


def workers(conn: Connection) -> set[str]:
    """The names of those that have started attempts."""
    return set(conn.execute(select(_attempt.worker).where(IS_STARTED).distinct()).scalars())


def left_by(conn: Connection, worker: str) -> list[Attempt]:
    """The attempts that a worker started and has not ended."""
    return _read(_LEFT_BY.all(conn, {"by": worker}))


def give_slot_back(conn: Connection, attempt: int, until: int) -> None:
    """A call without a worker occupies its slot no longer than ``until`` (unix ms)."""
    condition = and_(_attempt.id == attempt, _attempt.ended_at > until)
    conn.execute(update(attempts).where(condition).values(ended_at=until))


USUAL_OF: Final = 50  #: answers


def usual_ms(conn: Connection, account: str) -> int | None:
    """The median time of the account's last answers; None if there are none."""
    answered = _attempt.state.in_((AttemptState.ACCEPTED, AttemptState.REJECTED))
    query = select(_attempt.ended_at - _attempt.started_at).where(_attempt.account == account, answered)
    newest = query.where(_attempt.ended_at.is_not(None)).order_by(_attempt.ended_at.desc()).limit(USUAL_OF)
    from statistics import median

    found = list(conn.execute(newest).scalars())
    return int(median(found)) if found else None


def overdue(conn: Connection, now: int) -> list[str]:
    """The accounts that have a `lapsed` attempt."""
    query = select(_attempt.account).where(IS_STARTED, _attempt.deadline <= now).distinct()
    return list(conn.execute(query.order_by(_attempt.account)).scalars())


def state(conn: Connection, attempt: int) -> str | None:
    """started | accepted | rejected | not_sent | unknown; None if there is no such attempt."""
    return conn.execute(select(_attempt.state).where(_attempt.id == attempt)).scalar()


def get(conn: Connection, attempt: int) -> Attempt | None:
    found = _read(_ONE.all(conn, {"number": attempt}))
    return found[0] if found else None


_READ: Final = select(
    _attempt.id,
    _attempt.account,
    _attempt.destination,
    _attempt.kind,
    _attempt.started_at,
    _attempt.deadline,
    _attempt.records,
    _attempt.about,
).order_by(_attempt.id)
_ONE: Final = Prepared(_READ.where(_attempt.id == bindparam("number")))
_LEFT_BY: Final = Prepared(_READ.where(IS_STARTED, _attempt.worker == bindparam("by")))
_LAPSED: Final = Prepared(
    _READ.where(_attempt.account == bindparam("of"), IS_STARTED, _attempt.deadline <= bindparam("now"))
)


def _read(rows: Sequence[Any]) -> list[Attempt]:
    return [Attempt(**(row._asdict() | {"kind": kind_of(row.kind)})) for row in rows]


def kind_of(stored: str) -> str:
    """The kind of a row."""
    return Kind.PRECHECK if stored == FORMER_PRECHECK else stored


def usage(
    conn: Connection, account: str, allowed: Limits, now: int, shared: Sequence[str] = ()
) -> tuple[Used, list[Used]]:
    """The usage that counts now: calls in flight, and calls in each window. One query, as every claim runs it.

    ``shared``: other accounts whose calls count in the same windows; query them under a lock of all of them.
    """
    lengths = [0, *(window.length_ms for window in allowed.windows)]
    froms = {f"from_{at}": now - length_ms for at, length_ms in enumerate(lengths)}
    names = {"shared": (account, *shared)} if shared and len(lengths) > 1 else {}
    row = _usage(len(lengths), is_shared=bool(names)).one(conn, {"of": account, **froms, **names})
    in_flight, *windows = [
        Used(calls, None if first is None else first + length_ms)
        for calls, first, length_ms in zip(row[::2], row[1::2], lengths, strict=True)
    ]
    return in_flight, windows


@cache
def _usage(windows: int, *, is_shared: bool) -> Prepared:
    """For calls in flight, and so many windows less one: the number of calls that count, and when the first ends."""
    columns: list[Any] = []
    for at in range(windows):
        of_account = _attempt.account == bindparam("of")
        if at and is_shared:
            of_account = _attempt.account.in_(bindparam("shared", expanding=True))
        counted = and_(of_account, _attempt.ended_at > bindparam(f"from_{at}"))
        # The first by the index, not by a minimum over all counted rows.
        first = select(_attempt.ended_at).where(counted).order_by(_attempt.ended_at).limit(literal_column("1"))
        columns += [select(func.count()).where(counted).scalar_subquery(), first.scalar_subquery()]
    return Prepared(select(*columns))


def questions_in_flight(conn: Connection, account: str, now: int) -> int:
    """How many calls that send nothing have a slot."""
    return int(_QUESTIONS.scalar(conn, {"of": account, "now": now}))


_QUESTIONS: Final = Prepared(
    select(func.count()).where(
        _attempt.account == bindparam("of"), _attempt.ended_at > bindparam("now"), _attempt.kind != Kind.SEND
    )
)


def frees(conn: Connection, account: str, now: int, *, step_ms: int, steps: int) -> list[int]:
    """How many calls stop counting for the day in each of the next steps."""
    begins = now - step_ms * steps
    step = ((_attempt.ended_at - begins) // step_ms).label("step")
    counted = and_(_attempt.account == account, _attempt.ended_at > begins, _attempt.ended_at <= now)
    found = [0] * steps
    for at, calls in conn.execute(select(step, func.count()).where(counted).group_by(step)):
        found[min(at, steps - 1)] += calls
    return found


def settled_since(conn: Connection, account: str, moment: int, now: int) -> int:
    """Calls that began and ended since then: the vendor has certainly counted them, or never will."""
    counted = and_(
        _attempt.account == account, _attempt.ended_at > moment, _attempt.ended_at <= now, _attempt.started_at >= moment
    )
    return int(conn.execute(select(func.count()).where(counted)).scalar_one())


@dataclass(frozen=True, slots=True)
class Fetched:
    """A finished read of an object."""

    about: int | None
    state: str
    words: str


def latest_fetches(conn: Connection, account: str, since: int, most: int) -> list[Fetched]:
    """The last finished reads that began since then, the latest first."""
    condition = and_(
        _attempt.account == account,
        _attempt.kind == Kind.FETCH,
        _attempt.state != AttemptState.STARTED,
        _attempt.started_at >= since,
    )
    rows = conn.execute(
        select(_attempt.about, _attempt.state, _attempt.words).where(condition).order_by(_attempt.id.desc()).limit(most)
    )
    return [Fetched(row.about, row.state, row.words or "") for row in rows]


# --- asking about unknown ones --------------------------------------------------------------------------------------


def ask_later(conn: Connection, attempt: int, when: int | None, answers: dict[str, Any] | None = None) -> None:
    """When an unknown attempt is to be probed (again); None: nothing is left to probe."""
    values: dict[str, Any] = {"probe_at": when}
    if answers is not None:
        values["probed"] = orjson.dumps(answers).decode()
    conn.execute(update(attempts).where(_attempt.id == attempt).values(values))


def ask_sooner(conn: Connection, attempt: int, when: int) -> None:
    """An unknown attempt that is to be probed later is probed then."""
    waiting = and_(_attempt.id == attempt, TO_PROBE, _attempt.probe_at > when)
    conn.execute(update(attempts).where(waiting).values(probe_at=when))


def to_ask(conn: Connection, destinations: Sequence[str], now: int) -> Attempt | None:
    """The unknown attempt at one of these destinations that has waited longest for a probe."""
    row = _TO_ASK.first(conn, {"names": destinations, "now": now})
    return get(conn, row.id) if row else None


_TO_ASK: Final = Prepared(
    select(_attempt.id)
    .where(
        _attempt.destination.in_(bindparam("names", expanding=True)), TO_PROBE, _attempt.probe_at <= bindparam("now")
    )
    .order_by(_attempt.probe_at)
    .limit(literal_column("1"))
)


def answers(conn: Connection, attempt: int) -> dict[str, Any]:
    """The outcomes of its probes so far."""
    text = conn.execute(select(_attempt.probed).where(_attempt.id == attempt)).scalar()
    found: dict[str, Any] = orjson.loads(text) if text else {}
    return found
