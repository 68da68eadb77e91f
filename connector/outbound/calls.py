"""One-off calls to a vendor, outside of deliveries: logged and counted like any other call."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from sqlalchemy import Connection

from connector.core import quota
from connector.core.http import Answer, Deadline, NoAnswer, NotSent
from connector.core.outcomes import Outcome
from connector.core.phrases import phrase
from connector.core.quota import Limits, Wait
from connector.core.retry import SLOT_LOOK_S, patiently
from connector.core.settings import Account
from connector.core.states import AccountState, DestinationState
from connector.outbound import budget
from connector.outbound.settle import account_fault, of_question
from connector.store import accounts, attempts, lanes, outbox
from connector.store.attempts import Attempt
from connector.store.database import Database, announce, now_ms
from connector.store.worker_locks import worker_name
from connector.vendors.answers import no_answer, not_sent
from connector.vendors.caller import Gate
from connector.vendors.limits import deadline as deadline_of


def start(
    database: Database,
    account: Account,
    kind: str,
    *,
    behind: Collection[str] | None = None,
    gate: Gate | None = None,
) -> Attempt | Wait:
    """Starts an attempt that may be made now and must be finished; or says why none may, and for how long.

    ``behind``: the destinations with live deliveries that go first; half of every window and one slot are left to them.
    ``gate``: called last, in the transaction that starts the call (with the time in unix ms); it may refuse, too.
    `Wait.seconds` is None if an operator has to act first.
    """
    with database.write(serialise=account.name) as conn:
        now = now_ms(conn)
        accounts.ensure(conn, [account.name], [], now)
        stand = accounts.account(conn, account.name)
        if stand.state != AccountState.OPEN:
            return Wait(None, f"{account.name} is {stand.state}: {stand.reason}; then connector resume {account.name}")
        if stand.hold_until > now:
            return Wait((stand.hold_until - now) / 1000, f"{account.name} is held: {stand.hold_reason}")
        if behind and _live_is_due(conn, account.name, behind, now):
            return Wait(SLOT_LOOK_S, f"live deliveries of {account.name} go first")
        room = budget.read_room(conn, account, stand, now)
        allowed = room.allowed if behind is None else _leaving_room(room.allowed)
        answer = quota.decide(allowed, room.in_flight, room.windows, now)
        if isinstance(answer, Wait):
            return Wait(
                answer.seconds, phrase("no call of {account} is free: {why}", account=account.name, why=answer.why)
            )
        if gate is not None and (wait := gate(conn, now)) is not None:
            return wait
        return attempts.start(
            conn,
            account=account.name,
            destination=f"{account.name}/{kind}",
            kind=kind,
            worker=worker_name(conn),
            now=now,
            timeout_ms=int(account.timeout_s * 1000),
        )


def _live_is_due(conn: Connection, account: str, names: Collection[str], now: int) -> bool:
    stands = accounts.of_account(conn, account)
    open_ones = [stand.name for stand in stands if stand.name in names and stand.state == DestinationState.OPEN]
    heads = (outbox.next_due(conn, name, lane, now) for name in open_ones for lane in (lanes.LIVE, lanes.LIVE_SPLIT))
    return any(head is not None and head[0] <= now for head in heads)


def _leaving_room(allowed: Limits) -> Limits:
    windows = tuple(replace(window, calls=max(1, window.calls // 2)) for window in allowed.windows)
    return Limits(max(1, allowed.in_flight - 1), windows)


def make(
    call: Callable[[Deadline], Answer], means: Callable[[Answer], Outcome], deadline: Deadline
) -> tuple[Answer | None, Outcome]:
    """Makes the call once; returns its answer and what that means for the account. None: there was no answer."""
    try:
        answer = call(deadline)
    except NotSent as fault:
        return None, not_sent(str(fault))
    except NoAnswer as fault:
        return None, no_answer(str(fault))
    return answer, means(answer)


def finish(database: Database, account: Account, attempt: Attempt, outcome: Outcome) -> None:
    """Settles the attempt and, as the outcome says, the account."""

    def settle() -> None:
        with database.write(serialise=account.name) as conn:
            now, words = now_ms(conn), outcome.words or None
            ended = attempts.finish(
                conn, attempt.id, state=outcome.attempt, now=now, status=outcome.status, words=words
            )
            if ended:
                account_fault(conn, account.name, of_question(outcome), now)
                announce(conn)

    patiently(settle)


def make_call(
    database: Database,
    account: Account,
    kind: str,
    call: Callable[[Deadline], Answer],
    means: Callable[[Answer], Outcome],
    *,
    patience_s: float = 0.0,
    timeout_s: float | None = None,
    behind: Collection[str] | None = None,
    gate: Gate | None = None,
) -> tuple[Answer | None, Outcome | Wait]:
    """Starts, makes and finishes one call. A `Wait` when no slot came free within ``patience_s``.

    ``timeout_s`` may shorten the account's own; ``behind`` and ``gate`` as for `start`. Raises `StoreUnavailable`.
    """
    end = time.monotonic() + patience_s
    while True:
        # Read before the attempt is logged, so that it never ends after the logged deadline.
        deadline = deadline_of(account, timeout_s)
        started = start(database, account, kind, behind=behind, gate=gate)
        if not isinstance(started, Wait):
            break
        left = end - time.monotonic()
        if started.seconds is None or started.seconds > left:
            return None, started
        time.sleep(min(left, max(SLOT_LOOK_S, started.seconds)))
    answer, outcome = make(call, means, deadline)
    finish(database, account, started, outcome)
    return answer, outcome
