"""A worker that dies is known within two seconds: its calls are unknown at once, and asked about.

Every worker holds a lock while it lives (`store.worker_locks`) and looks for calls of workers whose lock is free. What
is done about such a call is right even if its worker lives and only lost its connection to the database, or cannot be
seen: the answer that it brings still settles the call, presence is believed at once, and absence only if it was asked
for after the call's deadline, when no worker may write its request any more (`outbound.probe_decisions`). A call whose
records would be sent again, or be left to a person, without that question stays as it is until its deadline.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from connector.core.log import get
from connector.core.reasons import Code
from connector.core.settings import Account, Settings
from connector.core.states import AttemptState, Kind
from connector.outbound import settle
from connector.store import attempts, thin_events
from connector.store.attempts import Attempt
from connector.store.database import Database, announce, now_ms
from connector.store.worker_locks import WorkerLock, has_lock, worker_lock
from connector.vendors import VENDORS
from connector.vendors.base import Destination
from connector.vendors.destinations import Places
from connector.vendors.limits import counted_ms

LOOK_S: Final = 0.5  #: between two looks
TIDY_EVERY: Final = 1200  #: looks
LEAST_MS: Final = 5_000  #: that the slot of a lost call stays held
TIMES_USUAL: Final = 10  #: ``lost_call_holds = "measured"``: so many times the account's usual answer time

log = get("worker")


class Presence:
    """This process's lock, and its look at the others'. `look` is run by one thread, again and again."""

    def __init__(self, settings: Settings, database: Database, found: Places) -> None:
        self._accounts: Final = settings.accounts
        self._database: Final = database
        self._found: Final = found
        self._lock: Final[WorkerLock] = worker_lock(database)
        self._free: dict[str, int] = {}  #: worker -> looks in a row that found its lock free
        self._done: set[int] = set()  #: calls that were given up, and are to lapse at their deadline
        self._looks = 0

    def run_once(self) -> float:
        """Keeps the lock, gives up the calls of dead workers; returns the seconds until the next look."""
        self._lock.keep()
        with self._database.read() as conn:
            calling = attempts.workers(conn)
        others = {name for name in calling if has_lock(name) and name != self._lock.name}
        self._free = {name: self._free.get(name, 0) + 1 for name in self._lock.free(others)}
        for name, looks in self._free.items():
            if looks >= self._lock.looks:
                self._give_up(name)
        if self._looks % TIDY_EVERY == 0:
            self._lock.tidy(others | {self._lock.name})
        self._looks += 1
        return LOOK_S

    def leave(self) -> None:
        """In order: every call is settled."""
        self._lock.release()

    def _give_up(self, worker: str) -> None:
        with self._database.read() as conn:
            left = attempts.left_by(conn, worker)
        self._done &= {attempt.id for attempt in left}
        fresh = [one for one in left if one.id not in self._done and one.account in self._accounts]
        for attempt in fresh:
            with self._database.write(serialise=attempt.account) as conn:
                if attempts.state(conn, attempt.id) == AttemptState.STARTED:
                    place = self._found[attempt.account].get(attempt.destination)
                    give_up(conn, attempt, self._accounts[attempt.account], place, now_ms(conn))
            self._done.add(attempt.id)
        if fresh:
            log.warning("a worker died; what its calls did is asked for", worker=worker, count=len(fresh))


def give_up(conn: Connection, attempt: Attempt, account: Account, place: Destination | None, now: int) -> None:
    """A started call's worker is gone: its slot is held only while the vendor may count the call.

    Under the account's lock.
    """
    if attempt.kind != Kind.SEND or _may_be_unknown(place):
        settle.lapse(conn, attempt, place, now, Code.WORKER_GONE)
        _again(conn, attempt, account, now)
    attempts.give_slot_back(conn, attempt.id, _held_until(conn, attempt, account, now))
    announce(conn)


def _may_be_unknown(place: Destination | None) -> bool:
    """Whether nothing is sent again, or left to a person, on the word that the worker is gone."""
    return place is not None and (place.repeatable or (place.can_ask and not place.resend))


def _held_until(conn: Connection, attempt: Attempt, account: Account, now: int) -> int:
    """The time (unix ms) until which the vendor may count the call."""
    longest = counted_ms(account)
    usual = attempts.usual_ms(conn, account.name) if account.lost_call_holds == "measured" else None
    if usual is not None:
        measured = max(LEAST_MS, TIMES_USUAL * usual)
        longest = measured if longest is None else min(longest, measured)
    return attempt.deadline if longest is None else max(now, attempt.started_at + longest)


def _again(conn: Connection, attempt: Attempt, account: Account, now: int) -> None:
    """A call that only asked is made again, instead of at its deadline."""
    if attempt.kind == Kind.PROBE:
        attempts.ask_sooner(conn, attempt.about or 0, now)
    elif attempt.kind == Kind.FETCH:
        thin_events.give_back(conn, attempt.about or 0, attempt.id, now)
    elif lookup := VENDORS[account.vendor].lookups.get(attempt.kind):
        lookup.store(conn, account.name, None, AttemptState.NOT_SENT, now)
