"""What a source's share keeps back: before anybody is counted as contacted, of pre-checks as of what is delivered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text, update

from connector.core.caps import Cap
from connector.core.quota import Wait
from connector.core.reasons import Code
from connector.core.settings import ContactRules, Source
from connector.core.turns import turn_of
from connector.outbound import settle
from connector.outbound.aside import Aside
from connector.outbound.claims import Claim
from connector.store import inbox, tables, turns
from connector.store.database import Database, now_ms
from connector.store.lanes import ASIDE_LANES, LIVE, LIVE_CHECK, LIVE_SPLIT
from tests.contact_people import CO, Clock, People, clock, person
from tests.outbound_steps import DIAL, Out, accepted, code, database, dial, note, refused, store, survey, ticket
from tests.statements import heard
from tests.test_turns import OPEN, SECRET, SIGNED, few_calls, later, put, put_notes, sent, with_sources

__all__ = ["clock", "database", "store"]


def shared(share: float) -> Source:
    return replace(OPEN, share=share)


def used_up(database: Database, account: str, source: str) -> None:
    """The source has used all that it may today, whatever its share."""
    with database.write() as conn:
        turns.count(conn, account, 0, {source: 10**6}, calls=10_000, now=now_ms(conn))


# --- before the caps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["wait", "end"])
def test_who_is_put_aside_counts_as_no_contact_of_that_call(database: Database, clock: Clock, then: str) -> None:
    cap = Cap(name="one a day", most=1, per="day", then=then)
    out = People(database, clock, dial(), rules=ContactRules(law=False, why="a test", caps=(cap,)))
    out.reload(replace(out.settings, sources={"pub": shared(0.001), "crm": SIGNED}))
    arrival = out.arrival
    for number, source in enumerate(("pub", "crm")):
        out.arrival = lambda event, source=source, **values: arrival(event, source=source, **values)  # type: ignore[method-assign]
        out.put([person(CO, id=f"same-{number}")])
    used_up(database, "dialler", "pub")
    assert out.tries()
    first, second = out.deliveries()
    assert (first.state, first.lane in ASIDE_LANES, code(first)) == ("pending", True, Code.SHARE_HELD)
    assert (second.state, code(second)) == ("delivered", None)
    assert {row.delivery for row in out.ledger()} == {second.id}


def test_who_goes_back_to_the_pre_check_counts_as_no_contact_either(database: Database, clock: Clock) -> None:
    cap = Cap(name="one a day", most=1, per="day")
    rules = ContactRules(law=False, why="a test", caps=(cap,), without_number="CO")
    out = People(database, clock, asking(), rules=rules)
    same = ticket(1).customer
    out.put([ticket(1, customer=same), ticket(2, customer=same)])
    first, second = out.deliveries()
    with database.write() as conn:  # both were allowed; the older one's permission is too old by now
        passed = {"lane": LIVE, "checked_at": clock.now - 10_000}
        conn.execute(update(tables.deliveries).values(passed))
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == first.id).values(checked_at=5))
    assert out.tries("surveys")
    first, second = out.deliveries()
    assert (first.state, first.lane, second.state) == ("pending", LIVE_CHECK, "delivered")


# --- pre-checks -----------------------------------------------------------------------------------------------------


def asking():
    return survey(options={"campaign_code": "52", "schedule": "now", "tags": {}, "ninety_day_rule": True})


def two_that_ask(database: Database, *sources: Source) -> Out:
    return with_sources(database, *sources, route=asking(), account=few_calls())


def put_tickets(out: Out, source: str, count: int, first: int = 0) -> None:
    with out.database.write() as conn:
        some = [ticket(number, id=f"{source}{number}") for number in range(first, first + count)]
        inbox.store(conn, [out.arrival(one, source=source) for one in some])


def steps(out: Out, most: int = 40) -> list[tuple[str, str]]:
    """(kind, source) of every call until nothing goes; the vendor allows everybody."""
    made: list[tuple[str, str]] = []
    for _ in range(most):
        claimed = out.claim("surveys")
        if not isinstance(claimed, Claim):
            if claimed.seconds == 0:
                continue
            return made
        made.append((claimed.attempt.kind, "+".join(sorted({source for source, _ in of(out, claimed)}))))
        if claimed.attempt.kind == "precheck":
            with out.database.write(serialise="surveys") as conn:
                place = out.places["surveys"][claimed.attempt.destination]
                settle.settle_check(
                    conn, claimed.attempt, place, accepted(), [number for number, _ in claimed.records], True
                )
        else:
            out.settle(claimed, accepted())
    raise AssertionError("no end of calls")


def of(out: Out, claimed: Claim) -> list[tuple[str, int]]:
    with out.database.read() as conn:
        ids = [number for number, _ in claimed.records]
        joined = tables.deliveries.join(tables.events, tables.events.c.id == tables.deliveries.c.event)
        query = tables.events.select().with_only_columns(tables.events.c.source, tables.deliveries.c.id)
        rows = conn.execute(query.select_from(joined).where(tables.deliveries.c.id.in_(ids)))
        return [(row[0], row[1]) for row in rows]


def test_sources_take_turns_at_being_asked_about(database: Database) -> None:
    out = two_that_ask(database, replace(OPEN, share=1.0), SIGNED, SECRET)
    for source, count in (("pub", 4), ("form", 2), ("crm", 2)):
        put_tickets(out, source, count)
    asked = [source for kind, source in steps(out) if kind == "precheck"]
    assert asked == ["crm", "form", "pub", "crm", "form", "pub", "pub", "pub"]


def test_a_share_counts_pre_checks_and_leaves_a_call_for_those_who_passed(database: Database) -> None:
    out = two_that_ask(database, shared(0.3), SIGNED)
    put_tickets(out, "pub", 6)
    made = steps(out)
    out.later(4)
    made += steps(out)
    assert made == [("precheck", "pub"), ("precheck", "pub"), ("send", "pub")]
    with database.read() as conn:
        assert turns.used(conn, "surveys", "pub", now_ms(conn)) == turns.Used(3, 2)
    waiting = out.deliveries("pending")
    assert len(waiting) == 4 and {row.lane for row in waiting} <= set(ASIDE_LANES)
    assert {code(row) for row in waiting} == {Code.SHARE_HELD}
    put_tickets(out, "crm", 1)
    out.later(4)
    assert ("precheck", "crm") in steps(out), "the others' calls are still there"


def test_a_pre_check_that_never_left_is_given_back(database: Database) -> None:
    out = two_that_ask(database, shared(0.3), SIGNED)
    put_tickets(out, "pub", 1)
    claimed = out.claimed("surveys")
    with database.read() as conn:
        assert turns.used(conn, "surveys", "pub", now_ms(conn)) == turns.Used(1, 0)
    out.make(claimed)  # nobody listens there
    with database.read() as conn:
        assert turns.used(conn, "surveys", "pub", now_ms(conn)) == turns.Used(0, 0)


def test_who_is_let_in_is_asked_about_first(database: Database) -> None:
    out = two_that_ask(database, shared(0.3), SIGNED)
    put_tickets(out, "pub", 6)
    steps(out)
    out.later(4)
    steps(out)
    aside = Aside(out.settings, database, out.places)
    aside.run_once()
    assert {row.lane for row in out.deliveries("pending")} <= {*ASIDE_LANES, LIVE}, "nothing is let in before"
    later(out, 86_401)
    aside.run_once()
    lanes = sorted(row.lane for row in out.deliveries("pending"))
    assert lanes.count(LIVE_CHECK) == 2 and lanes.count(LIVE) == 0
    assert [kind for kind, _ in steps(out)] == ["precheck", "precheck", "send"]


# --- groups ---------------------------------------------------------------------------------------------------------


def test_members_of_a_refused_batch_stay_a_group_while_they_lie_aside(database: Database) -> None:
    out = with_sources(database, shared(0.5), SIGNED)
    out.works()
    put(out, "pub", 4)
    out.settle(out.claimed(), refused())
    before = [(row.lane, row.split) for row in out.deliveries()]
    assert {lane for lane, _ in before} == {LIVE_SPLIT} and len({split for _, split in before}) == 2
    used_up(database, "dialler", "pub")
    answer = out.claim()
    while isinstance(answer, Wait) and answer.seconds == 0:
        answer = out.claim()
    assert isinstance(answer, Wait)
    rows = out.deliveries()
    assert {row.lane for row in rows} <= set(ASIDE_LANES) and [row.split for row in rows] == [one for _, one in before]
    with database.write() as conn:
        conn.execute(text("DELETE FROM source_calls"))
    Aside(out.settings, database, out.places).run_once()
    assert [(row.lane, row.split) for row in out.deliveries()] == before
    assert sent(out) == {"pub": 2}


# --- what an earlier release stored -----------------------------------------------------------------------------------


def forget_turns(database: Database, source: str) -> None:
    with database.write() as conn:
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.turn == turn_of(source)).values(turn=None))


def test_deliveries_without_a_number_take_a_turn_of_one_record(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, SECRET, route=note())
    for source in ("pub", "crm", "form"):
        put_notes(out, source, 3)
    forget_turns(database, "form")
    order = [next(iter(sent(out, "surveys"))) for _ in range(6)]
    assert order == ["form", "crm", "pub"] * 2


def test_deliveries_without_a_number_have_their_part_of_a_full_call(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, SECRET)
    size = out.places["dialler"][DIAL].batch_size
    put(out, "pub", size)
    put(out, "crm", size, first=size + 1)
    put(out, "form", 3, first=90_000)
    forget_turns(database, "form")
    assert sent(out)["form"] == 3


# --- what it costs --------------------------------------------------------------------------------------------------


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []
    with heard(database.engine, lambda said: seen.append(" ".join(said.split()))):
        yield seen


def test_a_full_call_is_taken_once_while_several_wait(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, route=note())
    for source in ("pub", "crm"):
        put_notes(out, source, 4)
    takes: list[int] = []
    for _ in range(3):
        with statements(database) as seen:
            sent(out, "surveys")
        takes.append(sum(one.startswith("UPDATE deliveries") and "attempts=" in one for one in seen))
    assert takes == [3, 1, 1], "the first one is taken, let go, and taken in turns"


def test_sources_are_counted_once_in_a_claim(database: Database) -> None:
    out = with_sources(database, shared(0.5), SIGNED)
    put(out, "pub", 2)
    with statements(database) as seen:
        out.claimed()
    assert sum("GROUP BY deliveries.turn" in one for one in seen) == 1


def test_a_lone_delivery_asks_nobody_who_else_waits(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED)
    put(out, "crm", 1)
    with statements(database) as seen:
        out.claimed()
    assert not [one for one in seen if "RECURSIVE" in one]
