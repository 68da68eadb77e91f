"""Any sequence of leads, surveys, noes, imports, replays and kills: nobody is contacted against the rules.

The rules are said a second time here, in plain arithmetic, and hold for whatever the claims begin.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from connector.admin.acts import By
from connector.admin.replay import Replay, Wish
from connector.core.outcomes import Outcome
from connector.core.settings import ContactRules, Refusal, Source
from connector.outbound.claims import Claim
from connector.store import outbox, tables
from connector.store.database import Database
from mappings.events import Lead
from tests.contact_people import BOGOTA, HOUR, RNE, Clock, Told, case, imported, mailed, not_sent, other, phone
from tests.outbound_steps import accepted, database, dial, refused, store, unknown

__all__ = ["database", "store"]
pytestmark = pytest.mark.timeout(3600)

PEOPLE = ("57 3001234567", "57 3009999999")
HOLIDAYS = {"2026-12-08", "2026-12-25"}
DAY = 24 * HOUR
OUTCOMES: dict[str, Any] = {"accepted": accepted, "unknown": unknown, "not sent": not_sent, "refused": refused}


@dataclass
class Contact:
    """One contact that a claim began, as the rules outside of the connector see it."""

    person: int
    delivery: int
    at: int
    channel: str
    asked_for: bool
    counts: bool = True


@dataclass
class Model:
    """What is known of each person without the connector's tables."""

    began: list[Contact] = field(default_factory=list)
    noes: dict[int, int] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)

    def judge(self, new: Contact) -> None:
        """Fails where the contact breaks a rule."""
        local = datetime.fromtimestamp(new.at / 1000, BOGOTA)
        hours = (*[(7, 19)] * 5, (8, 15), (0, 0))[local.weekday()]
        assert hours[0] <= local.hour < hours[1], f"{local:%A %H:%M} is no hour for anybody"
        assert f"{local:%Y-%m-%d}" not in HOLIDAYS
        assert new.person not in self.noes, "who said no is contacted"
        if new.asked_for:
            return
        assert new.channel != "voice" or new.person not in self.listed, "who is on a registry is contacted"
        before = [one for one in self.began if one.counts and one.person == new.person and one.at <= new.at]
        days = [datetime.fromtimestamp(one.at / 1000, BOGOTA).date() for one in before]
        assert local.date() not in days, "twice a day"
        week = {one.channel for one in before if one.at > new.at - 7 * DAY}
        assert week <= {new.channel}, "by another channel within seven days"


class Run:
    """One sequence, step by step."""

    def __init__(self, database: Database) -> None:
        with database.write() as conn:
            for table in tables.metadata.tables.values():
                conn.execute(delete(table))
        month = 40 * 86400
        routes = (
            dial(sources=("landing",), expires_after_s=month, on_unknown="resend"),
            dial("1099", name="asked", sources=("asked",), purpose="requested", expires_after_s=month),
            other(expires_after_s=month),
            mailed(expires_after_s=month),
        )
        rules = ContactRules(lists={"rne": replace(RNE, max_age_s=300 * 86400)})
        self.out = Told(database, Clock(database), *routes, rules=rules)
        sources = {name: Source(name=name, mapping="lead") for name in ("landing", "asked")}
        sources["tickets"] = Source(name="tickets", mapping="ticket")
        refusal = Refusal(name="who said no", on=("contact.refused",))
        self.out.reload(replace(self.out.settings, sources=sources, refusals=(refusal,)))
        self.model = Model()
        self.whose: dict[int, int] = {}
        self.left: list[tuple[str, Claim]] = []
        self.number = 0
        self.listing(set())

    # what happens

    def lead(self, person: int, kind: str) -> None:
        self.number += 1
        email = f"ana{person}@example.com"
        given = {"id": f"E-{self.number}", "first_name": "Ana", "email": email, "phones": (phone(PEOPLE[person]),)}
        types = {"other": "lead.updated", "no": "contact.refused"}
        event: Any = Lead(type=types.get(kind, "lead.created"), extra={"asked": kind == "asked"}, **given)  # type: ignore[arg-type]
        if kind == "survey":
            event = case(email, id=f"E-{self.number}")
        before = {row.id for row in self.out.deliveries()}
        self.out.put([event])
        self.whose |= {row.id: person for row in self.out.deliveries() if row.id not in before}
        if kind == "no":
            self.model.noes[person] = self.out.clock.now

    def listing(self, people: set[int]) -> None:
        self.out.clock.now += 1
        imported(self.out, *(PEOPLE[one] for one in people), of=self.out.clock.now)
        self.model.listed = people

    def replay(self, which: int) -> None:
        rows = [row for row in self.out.deliveries() if row.state in ("delivered", "suppressed", "dead")]
        if rows:
            wish = Wish(force=True, ended_too=True, late_too=True)
            Replay(self.out.settings, self.out.database, By("a test")).delivery(rows[which % len(rows)].id, wish)

    def work(self, account: str, outcome: str) -> None:
        """Claims; judges whom the claim contacts; then the call ends so, or the worker is killed before it knows."""
        for _ in range(12):
            found = self.out.claim(account)
            if not isinstance(found, Claim):
                if found.seconds != 0:
                    return
                continue
            if found.attempt.kind != "send":
                self.out.settle_budget(found)
                continue
            begun = self._began(found)
            if outcome != "killed":
                self._settle(found, begun, OUTCOMES[outcome]())
            return

    def _began(self, claimed: Claim) -> list[Contact]:
        with self.out.database.read() as conn:
            members = [number for number, _ in outbox.members(conn, claimed.attempt.id)]
        routes = {row.id: row.route for row in self.out.deliveries()}
        begun = []
        for number in members:
            fresh = self.out.clock.now - self._occurred(number) <= DAY
            channel = "email" if routes[number] == "survey" else "voice"
            asked = routes[number] == "asked" and fresh
            one = Contact(self.whose[number], number, self.out.clock.now, channel, asked)
            self.model.judge(one)
            self.model.began.append(one)
            begun.append(one)
        return begun

    def _occurred(self, delivery: int) -> int:
        deliveries, events = tables.deliveries.c, tables.events.c
        with self.out.database.read() as conn:
            query = (
                select(events.occurred_at)
                .join(tables.deliveries, deliveries.event == events.id)
                .where(deliveries.id == delivery)
            )
            return int(conn.execute(query).scalar_one())

    def _settle(self, claimed: Claim, begun: list[Contact], outcome: Outcome) -> None:
        self.out.settle(claimed, outcome)
        states = {row.id: row.state for row in self.out.deliveries()}
        if outcome.attempt in ("not_sent", "rejected"):
            for one in begun:
                one.counts = states[one.delivery] == "delivered"

    def passes(self, hours: float) -> None:
        self.out.clock.now += int(hours * HOUR)


ACTION = st.one_of(
    st.tuples(st.just("lead"), st.integers(0, 1), st.sampled_from(["dial", "other", "asked", "survey"])),
    st.tuples(st.just("lead"), st.integers(0, 1), st.sampled_from(["dial", "other", "survey", "no"])),
    st.tuples(st.just("listing"), st.sets(st.integers(0, 1), max_size=1)),
    st.tuples(st.just("replay"), st.integers(0, 20)),
)
STEP = st.tuples(
    ACTION,
    st.sampled_from(["accepted", "accepted", "unknown", "not sent", "refused", "killed"]),
    st.sampled_from([0.01, 0.5, 4, 9, 15, 24, 60, 150]),
)


@settings(
    max_examples=int(os.environ.get("CONTACT_EXAMPLES", "10")),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, min_size=4, max_size=14))
def test_no_sequence_contacts_anybody_against_the_rules(database: Database, steps: list[Any]) -> None:
    if not database.is_sqlite and "CONTACT_EXAMPLES" not in os.environ:
        pytest.skip("the rules are the same; `make contact-proofs` tries them here, too")
    run = Run(database)
    for (name, *values), outcome, hours in steps:
        getattr(run, name)(*values)
        for account in ("dialler", "other", "surveys"):
            run.work(account, outcome)
        run.passes(hours)
    for account in ("dialler", "other", "surveys"):
        run.work(account, "accepted")
