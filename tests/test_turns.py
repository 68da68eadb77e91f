"""Sources that wait at one destination take turns, and none uses more than its share of the account's day."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from connector.admin.explain import explain
from connector.admin.may import may
from connector.admin.status import status
from connector.core.errors import ConfigError
from connector.core.quota import Wait
from connector.core.settings import Account, Route, Source, Verify
from connector.core.turns import in_order, parts, turn_of
from connector.outbound.aside import Aside
from connector.outbound.shares import calls_a_day
from connector.store import attempts, inbox, tables, thin_events, turns
from connector.store.arrivals import Arrival
from connector.store.database import Database, now_ms
from connector.store.lanes import ASIDE_LANES, LIVE
from connector.vendors.destinations import places
from connector.vendors.limits import limits
from tests import outbound_steps
from tests.config_texts import DIAL, DIALLER, load_text
from tests.outbound_steps import Out, accepted, code, dial, dialler, lead, note, surveys, ticket, unknown

store, database = outbound_steps.store, outbound_steps.database

OPEN = Source(name="pub", mapping="lead", verify=Verify(scheme="none"))
SIGNED = Source(name="crm", mapping="lead", verify=Verify(scheme="standard-webhooks"))
SECRET = Source(name="form", mapping="lead", verify=Verify(scheme="token"))


def with_sources(
    database: Database, *sources: Source, route: Route | None = None, account: Account | None = None
) -> Out:
    out = Out(database, route or dial(), accounts=[account] if account else ())
    out.settings = replace(out.settings, sources={source.name: source for source in sources})
    out.places = places(out.settings)
    out.router = outbound_steps.Router(out.settings, outbound_steps.name_of)
    out.lines = {name: replace(line, places=dict(out.places[name])) for name, line in out.lines.items()}
    return out


def put(out: Out, source: str, count: int, first: int = 1) -> None:
    with out.database.write() as conn:
        some = [lead(number, id=f"{source}-{number}") for number in range(first, first + count)]
        inbox.store(conn, [out.arrival(event, source=source) for event in some])


def sent(out: Out, account: str = "dialler") -> Counter[str]:
    """The sources of the records in the next call, which is accepted."""
    claimed = out.claimed(account)
    with out.database.read() as conn:
        joined = tables.deliveries.join(tables.events, tables.events.c.id == tables.deliveries.c.event)
        mine = (tables.deliveries.c.attempt == claimed.attempt.id) & (tables.deliveries.c.state == "sending")
        found = Counter(conn.execute(select(tables.events.c.source).select_from(joined).where(mine)).scalars())
    out.settle(claimed, accepted())
    return found


def lanes_of(out: Out) -> Counter[int]:
    return Counter(row.lane for row in out.deliveries("pending"))


# --- turns ----------------------------------------------------------------------------------------------------------


def test_the_order_begins_behind_the_last_where_not_all_fit() -> None:
    assert in_order([5, 3, 9], None, 1) == [5, 3, 9]
    assert in_order([5, 3, 9], 5, 1) == [3, 9, 5]
    assert in_order([5, 3, 9], 9, 2) == [5, 3, 9]
    assert in_order([5, 3, 9], 5, 3) == [5, 3, 9]
    assert parts(10, 3) == [4, 3, 3]
    assert parts(1, 3) == [1, 0, 0]


def test_what_one_sent_many_of_delays_no_other(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, SECRET)
    size = out.places["dialler"][outbound_steps.DIAL].batch_size
    put(out, "pub", 3 * size)
    put(out, "crm", 2)
    put(out, "form", 1, first=90_000)
    assert sent(out) == {"crm": 2, "form": 1, "pub": size - 3}
    assert sent(out) == {"pub": size}


def test_many_of_each_share_a_call_evenly(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED)
    size = out.places["dialler"][outbound_steps.DIAL].batch_size
    for source in ("pub", "crm"):
        put(out, source, size)
    assert sent(out) == {"pub": size // 2, "crm": size - size // 2}


def test_calls_of_one_record_go_round_the_more_trusted_first(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, SECRET, route=note())
    for source in ("pub", "crm", "form"):
        put_notes(out, source, 3)
    order = [next(iter(sent(out, "surveys"))) for _ in range(9)]
    assert order == ["crm", "form", "pub"] * 3


def test_deliveries_of_an_earlier_release_and_of_a_source_that_left_go_too(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, SECRET)
    put(out, "form", 2)
    put(out, "crm", 1, first=50)
    put(out, "pub", 1, first=60)
    with database.write() as conn:
        conn.execute(text("UPDATE deliveries SET turn = NULL WHERE id = (SELECT max(id) FROM deliveries)"))
    drain(with_sources(database, OPEN, SIGNED), "dialler")
    assert out.states() == {"delivered": 4}


def test_who_waits_is_found_without_reading_what_waits(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED)
    put(out, "pub", 300)
    put(out, "crm", 1, first=900)
    name = outbound_steps.DIAL
    with database.read() as conn:
        now = now_ms(conn)
        assert turns.waiting(conn, name, LIVE, now) == sorted([turn_of("pub"), turn_of("crm")])
        assert turns.waiting(conn, name, LIVE, 0) == []
        if conn.dialect.name == "sqlite":
            plan = conn.execute(
                text(f"EXPLAIN QUERY PLAN {turns._WAITING.statement.text}"),
                {
                    "destination": name,
                    "lane": LIVE,
                    "until": now,
                },
            ).all()
            searched = [row.detail for row in plan if "deliveries" in row.detail]
            assert searched and all("ix_deliveries_turn" in one for one in searched), searched


# --- fetches --------------------------------------------------------------------------------------------------------


def put_thin(out: Out, source: str, count: int, *, behind: bool = False) -> None:
    thin = [
        Arrival(
            source=source,
            event_id=f"{source}-{behind}-{number}",
            type="lead.created",
            state="waiting",
            payload="{}",
            account="dialler",
            behind=behind,
        )
        for number in range(count)
    ]
    with out.database.write() as conn:
        inbox.store(conn, thin)


def fetched(out: Out, most: int) -> list[str]:
    """The sources of the thin events that the next claims fetch; each is kept for tomorrow at once."""
    found = []
    for _ in range(most):
        answer = out.claim()
        if isinstance(answer, Wait):
            break
        with out.database.write() as conn:
            event = thin_events.get(conn, answer.attempt.about or 0)
            assert event is not None
            thin_events.keep(conn, event.id, {}, now_ms(conn) + 86_400_000)
            attempts.finish(conn, answer.attempt.id, state="accepted", now=now_ms(conn))
        found.append(event.source)
    return found


def test_fetches_of_one_source_that_sent_many_delay_no_other(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED, SECRET)
    put_thin(out, "pub", 40)
    assert fetched(out, 2) == ["pub"] * 2
    put_thin(out, "crm", 3)
    put_thin(out, "form", 1)
    assert sorted(fetched(out, 3)) == ["crm", "form", "pub"]
    assert sorted(fetched(out, 4)) == ["crm", "crm", "pub", "pub"]
    assert fetched(out, 3) == ["pub"] * 3


def test_fetches_of_the_past_take_turns_among_themselves_and_behind_the_others(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED)
    put_thin(out, "pub", 5, behind=True)
    put_thin(out, "crm", 2, behind=True)
    put_thin(out, "pub", 1)
    order = fetched(out, 9)
    assert order[0] == "pub" and sorted(order[1:5]) == ["crm", "crm", "pub", "pub"] and order[5:] == ["pub"] * 3


def test_sources_with_something_to_fetch_are_found_without_reading_what_waits(database: Database) -> None:
    out = with_sources(database, OPEN, SIGNED)
    put_thin(out, "pub", 300)
    put_thin(out, "crm", 1)
    with database.read() as conn:
        values = {"of": "dialler", "least": 0, "until": now_ms(conn)}
        assert list(thin_events.heads(conn, "dialler", values["until"], behind=False)) == ["crm", "pub"]
        assert thin_events.heads(conn, "dialler", values["until"], behind=True) == {}
        is_sqlite = conn.dialect.name == "sqlite"
        if not is_sqlite:
            conn.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        rows = [str(row) for row in conn.execute(text(f"{plan} {thin_events._HEADS.text}"), values)]
    searched = [row for row in rows if " events" in row]
    assert searched and all("ix_events_waiting_turn" in row for row in searched), rows
    assert not any("SCAN events" in row for row in rows), rows


# --- shares ---------------------------------------------------------------------------------------------------------


def shared(share: float) -> Source:
    return replace(OPEN, share=share)


def few_calls(**values: Any) -> Account:
    """Ten calls a day for every test: a thousand of them would only take longer."""
    return surveys(requests_per_window=10, window_seconds=86_400, **values)


def put_notes(out: Out, source: str, count: int, first: int = 0) -> None:
    """Each is a call of its own."""
    numbers = range(first, first + count)
    some = [ticket(number, id=f"{source}{number}", type="ticket.updated", answer_id=f"{number}") for number in numbers]
    with out.database.write() as conn:
        inbox.store(conn, [out.arrival(event, source=source) for event in some])


def counted(database: Database, *sources: Source) -> Out:
    return with_sources(database, *sources, route=note(), account=few_calls())


def test_a_day_is_counted_by_the_narrowest_window() -> None:
    assert calls_a_day(limits(dialler(licences=2))) == 2000
    assert calls_a_day(limits(few_calls())) == 10


def test_a_source_uses_its_share_of_the_calls_and_no_more(database: Database) -> None:
    out = counted(database, shared(0.3), SIGNED)
    put_notes(out, "pub", 9)
    sources = [next(iter(sent(out, "surveys"))) for _ in range(3)]
    assert sources == ["pub"] * 3
    answer = out.claim("surveys")
    while isinstance(answer, Wait) and answer.seconds == 0:
        answer = out.claim("surveys")
    assert isinstance(answer, Wait)
    waiting = out.deliveries("pending")
    assert len(waiting) == 6 and {row.lane for row in waiting} <= set(ASIDE_LANES)
    assert {str(code(row)) for row in waiting} == {"share.held"}
    assert all(row.due_at == row.expires_at and row.attempts == "" for row in waiting)
    put_notes(out, "crm", 2)  # the others' calls are still there
    assert [next(iter(sent(out, "surveys"))) for _ in range(2)] == ["crm", "crm"]


def test_a_call_that_never_left_is_given_back(database: Database) -> None:
    out = counted(database, shared(0.1), SIGNED)
    put_notes(out, "pub", 1)
    claimed = out.claimed("surveys")
    with database.read() as conn:
        assert turns.used(conn, "surveys", "pub", now_ms(conn)) == turns.Used(1, 1)
    out.make(claimed)  # nobody listens there
    with database.read() as conn:
        assert turns.used(conn, "surveys", "pub", now_ms(conn)) == turns.Used(0, 0)


def test_a_call_that_may_have_landed_counts(database: Database) -> None:
    out = counted(database, shared(0.1), SIGNED)
    put_notes(out, "pub", 1)
    out.settle(out.claimed("surveys"), unknown())
    with database.read() as conn:
        assert turns.used(conn, "surveys", "pub", now_ms(conn)) == turns.Used(1, 1)


def test_what_rides_in_others_calls_costs_no_call(database: Database) -> None:
    out = with_sources(database, shared(0.5), SIGNED)
    put(out, "pub", 3)
    put(out, "crm", 1, first=50)
    assert sent(out) == {"crm": 1, "pub": 3}
    with database.read() as conn:
        assert turns.used(conn, "dialler", "pub", now_ms(conn)) == turns.Used(0, 3)


def test_once_a_day_has_passed_the_oldest_go_first(database: Database) -> None:
    out = counted(database, shared(0.2), SIGNED)
    put_notes(out, "pub", 5)
    drain(out)
    assert len(out.deliveries("delivered")) == 2
    aside = Aside(out.settings, database, out.places)
    aside.run_once()
    assert set(lanes_of(out)) <= set(ASIDE_LANES), "nothing is let in while the share is used"
    later(out, 86_401)
    aside.run_once()
    assert lanes_of(out)[LIVE] == 2, "as many as there is room for"
    drain(out)
    assert [row.state for row in out.deliveries()] == ["delivered"] * 4 + ["pending"]
    aside.run_once()
    assert lanes_of(out)[LIVE] == 0


def test_without_a_share_all_is_let_in_and_what_expired_ends(database: Database) -> None:
    out = counted(database, shared(0.1), SIGNED)
    put_notes(out, "pub", 3)
    drain(out)
    out.settings = replace(out.settings, sources={"pub": OPEN, "crm": SIGNED})
    Aside(out.settings, database, places(out.settings)).run_once()
    assert lanes_of(out) == {LIVE: 2}
    drain(out)
    with database.write() as conn:
        conn.execute(text("UPDATE deliveries SET expires_at = 5, due_at = 5 WHERE state = 'pending'"))
    Aside(out.settings, database, out.places).run_once()
    drain(out)
    assert out.states() == {"delivered": 1, "suppressed": 2}
    assert {str(code(row)) for row in out.deliveries("suppressed")} == {"expired"}


def test_who_waits_for_room_reads_why(database: Database) -> None:
    out = counted(database, shared(0.1), SIGNED)
    put_notes(out, "pub", 2)
    drain(out)
    [row] = out.deliveries("pending")
    [event] = explain(database, out.settings, f"d{row.id}")["events"]
    [told] = event["deliveries"]
    assert "pub has used its share of the account's day (1 calls" in told["now"]
    assert "the first of its calls is free again at" in told["now"]
    assert told["due_at"] is None
    found = status(database, out.settings)
    [account] = [one for one in found["accounts"] if one["account"] == "surveys"]
    assert account["shares"][0]["said"].startswith("pub has used 1 of 1 calls and 1 of 1 records")
    [destination] = [one for one in found["destinations"] if one["account"] == "surveys"]
    assert (destination["waiting_for_room"], destination["held"]) == (1, 0)


def test_may_tells_the_shares_of_the_sources_of_a_route(database: Database) -> None:
    out = with_sources(database, shared(0.5), SIGNED)
    answer = may(out.settings, database, "+573001112233", out.settings.routes[0], 10**12)
    [verdict] = [one for one in answer.verdicts if one.guard == "share"]
    assert verdict.may and "pub has used 0 of" in verdict.why
    settings = with_sources(database, SIGNED).settings
    none = may(settings, database, "+573001112233", settings.routes[0], 10**12)
    assert "share" not in [one.guard for one in none.verdicts]


def test_a_share_is_a_part_of_a_day(tmp_path: Path) -> None:
    open_source = '[sources.landing]\nmapping = "lead"\nverify = { scheme = "none" }\n'
    base = DIALLER + DIAL + 'sources = ["landing"]\n'
    assert load_text(tmp_path, base + open_source).sources["landing"].share == 0.5
    assert load_text(tmp_path, base + open_source + "share = 0.25\n").sources["landing"].share == 0.25
    for wrong in ("0", "1.5", '"half"', "true"):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            load_text(tmp_path, base + open_source + f"share = {wrong}\n")


def drain(out: Out, account: str = "surveys") -> None:
    """Claims and accepts until nothing may go."""
    while True:
        answer = out.claim(account)
        if not isinstance(answer, Wait):
            out.settle(answer, accepted())
        elif answer.seconds != 0:
            return


def later(out: Out, seconds: float) -> None:
    out.later(seconds)
    with out.database.write() as conn:
        conn.execute(text(f"UPDATE source_calls SET at = at - {int(seconds * 1000)}"))
