"""Two workers over two accounts, and one person: one contact, however close they come; and a worker that is killed.

The suite races a hundred times on each store; `make contact-proofs` a thousand times, with processes of their own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from connector.admin.acts import By
from connector.admin.resolve import resolve
from connector.outbound.claims import Claim
from connector.store import inbox, tables
from connector.store.database import Database
from tests.contact_people import HOUR, MONDAY, Clock, People, international, other, person
from tests.outbound_steps import database, dial, store

__all__ = ["database", "store"]
pytestmark = pytest.mark.timeout(3600)

ROUNDS = int(os.environ.get("CONTACT_RACES", "100"))
LATER = "CONTACT_RACES" in os.environ  #: then with processes
BARRIER_S = 120


class Racing(People):
    """Two diallers with calls enough for every round."""

    def __init__(self, database: Database) -> None:
        week = 7 * 86400
        super().__init__(database, Clock(database), dial(expires_after_s=week), other(expires_after_s=week))
        more = {name: international(name=name, licences=1000) for name in ("dialler", "other")}
        self.reload(replace(self.settings, accounts={**self.settings.accounts, **more}))
        self.lines |= {name: replace(self.lines[name], account=account) for name, account in more.items()}

    def start(self, rounds: int) -> None:
        """One person a round is due at both accounts, a second after the one before."""
        people = [f"57 3{number:09}" for number in range(rounds)]
        with self.database.write() as conn:
            for number in people:
                pair = [person(number), person(number, type="lead.updated")]
                inbox.store(conn, [self.arrival(one) for one in pair])
            event = tables.deliveries.c.event
            first = conn.execute(tables.deliveries.select().order_by(event).limit(1)).one().event
            due = MONDAY + (event - first) / 2 * 1000
            conn.execute(update(tables.deliveries).values(due_at=due, created_at=MONDAY, expires_at=MONDAY * 2))

    def race(self, account: str, rounds: int, barrier: Any) -> None:
        """Claims once in each round, at the same moment as the others."""
        for number in range(rounds):
            barrier.wait(BARRIER_S)
            if account == "dialler":
                self.clock.now = MONDAY + number * 1000
            barrier.wait(BARRIER_S)
            self.tries(account)


def process(url: str, account: str, rounds: int, barrier: Any) -> None:
    """A worker of its own: another connection, another clock that shows the same."""
    own = Database(url)
    out = Racing(own)
    for number in range(rounds):
        out.clock.now = MONDAY + number * 1000
        barrier.wait(BARRIER_S)
        out.tries(account)
    own.close()


def killed(url: str) -> None:
    """Claims, and dies before the call."""
    out = Racing(Database(url))
    while True:
        found = out.claim("dialler")
        if isinstance(found, Claim) and found.attempt.kind == "send":
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(found, Claim):
            out.settle_budget(found)


def test_two_accounts_race_for_one_person_and_one_of_them_calls(database: Database, store: str) -> None:
    out = Racing(database)
    out.start(ROUNDS)
    if LATER:
        spawn = multiprocessing.get_context("spawn")
        barrier: Any = spawn.Barrier(2)
        racers: list[Any] = [
            spawn.Process(target=process, args=(store, name, ROUNDS, barrier)) for name in ("dialler", "other")
        ]
    else:
        barrier = threading.Barrier(2)
        racers = [threading.Thread(target=out.race, args=(name, ROUNDS, barrier)) for name in ("dialler", "other")]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(BARRIER_S * 5)
    assert out.states() == {"delivered": ROUNDS, "pending": ROUNDS}
    reached = Counter(row.hash for row in out.ledger())
    assert len(reached) == ROUNDS
    assert set(reached.values()) == {1}
    accounts = Counter(row.account for row in out.deliveries("delivered"))
    assert sum(accounts.values()) == ROUNDS


def test_a_worker_that_is_killed_after_its_claim_has_contacted_until_somebody_knows(
    database: Database, store: str
) -> None:
    out = Racing(database)
    out.start(1)
    out.clock.now = MONDAY
    child = multiprocessing.get_context("spawn").Process(target=killed, args=(store,))
    child.start()
    child.join(BARRIER_S)
    assert child.exitcode == -signal.SIGKILL
    out.clock.now = max(MONDAY, out.ledger()[0].at) + HOUR
    assert not out.tries("other")
    out.claim("dialler")  # finds that the call has lapsed
    assert out.states() == {"uncertain": 1, "pending": 1}
    assert not out.tries("other")
    (uncertain,) = out.deliveries("uncertain")
    resolve(out.settings, database, uncertain.id, By("a test"), landed=False)
    assert out.tries("other")
    assert [row.attempt for row in out.ledger()] == [out.deliveries("delivered")[0].attempt]
