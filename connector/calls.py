"""One call beside the deliveries, for whoever wants to ask a vendor something: logged and counted like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from connector import attempts, budget, claims, outbox, quota, standing
from connector.attempts import Attempt
from connector.client import Answer, Deadline, NoAnswer, NotSent, patiently
from connector.db import Database, announce, now_ms
from connector.destinations.base import no_answer, not_sent
from connector.outcomes import Outcome
from connector.quota import Limits, Wait
from connector.settings import Account
from connector.settle import account_fault

LOOK_S: Final = 0.2  #: how often a slot is looked for, at the most


Gate = Callable[[Connection, int], Wait | None]


def start(
    database: Database,
    account: Account,
    kind: str,
    *,
    behind: Collection[str] | None = None,
    gate: Gate | None = None,
) -> Attempt | Wait:
    """The attempt of a call that may be made now and must be finished; or why none may be, and for how long.

    ``behind``: the destinations whose live deliveries go first; they are left half of every window and a slot, too.
    ``gate``: asked last, in the transaction that starts the call (the time in unix ms is given); it may say no, too.
    `Wait.seconds` is None when a person has to act first.
    """
    with database.write(serialise=account.name) as conn:
        now = now_ms(conn)
        standing.ensure(conn, [account.name], [], now)
        stand = standing.account(conn, account.name)
        if stand.state != "open":
            return Wait(None, f"{account.name} is {stand.state}: {stand.reason}; then connector resume {account.name}")
        if stand.hold_until > now:
            return Wait((stand.hold_until - now) / 1000, f"{account.name} is held: {stand.hold_reason}")
        if behind and _live_is_due(conn, account.name, behind, now):
            return Wait(LOOK_S, f"live deliveries of {account.name} go first")
        room = budget.look(conn, account, stand, now)
        allowed = room.allowed if behind is None else _leaving_room(room.allowed)
        answer = quota.decide(allowed, room.in_flight, room.windows, now)
        if isinstance(answer, Wait):
            return Wait(answer.seconds, f"no call of {account.name} is free: {answer.why}")
        if gate is not None and (wait := gate(conn, now)) is not None:
            return wait
        return attempts.start(
            conn,
            account=account.name,
            destination=f"{account.name}/{kind}",
            kind=kind,
            worker=claims.WORKER,
            now=now,
            timeout_ms=int(account.timeout_s * 1000),
        )


def _live_is_due(conn: Connection, account: str, names: Collection[str], now: int) -> bool:
    stands = standing.of_account(conn, account)
    open_ones = [stand.name for stand in stands if stand.name in names and stand.state == "open"]
    heads = (outbox.next_due(conn, name, lane, now) for name in open_ones for lane in (outbox.LIVE, outbox.LIVE_SPLIT))
    return any(head is not None and head[0] <= now for head in heads)


def _leaving_room(allowed: Limits) -> Limits:
    windows = tuple(replace(window, calls=max(1, window.calls // 2)) for window in allowed.windows)
    return Limits(max(1, allowed.in_flight - 1), windows)


def make(
    call: Callable[[Deadline], Answer], means: Callable[[Answer], Outcome], deadline: Deadline
) -> tuple[Answer | None, Outcome]:
    """Makes the call, once; what it brought, and what that means for the account. None: there was no answer."""
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
                account_fault(conn, account.name, outcome, now)
                announce(conn)

    patiently(settle)


def ask(
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
        # Taken before the attempt is logged, so that it never ends after the logged one.
        deadline = Deadline.after(min(account.timeout_s, timeout_s or account.timeout_s))
        started = start(database, account, kind, behind=behind, gate=gate)
        if not isinstance(started, Wait):
            break
        left = end - time.monotonic()
        if started.seconds is None or started.seconds > left:
            return None, started
        time.sleep(min(left, max(LOOK_S, started.seconds)))
    answer, outcome = make(call, means, deadline)
    finish(database, account, started, outcome)
    return answer, outcome
