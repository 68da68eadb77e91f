"""Events beyond the limit of a sender that does not repeat: kept, acknowledged, and let in when there is room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from connector.admin.explain import explain
from connector.core.reasons import Code
from connector.core.settings import Settings, Source, Verify
from connector.inbound.intake import wait_for_room
from connector.inbound.source_limits import SourceLimits
from connector.outbound.aside import Aside
from connector.store import inbox, limited, tables, thin_events
from connector.store.arrivals import Arrival
from connector.store.database import Database, now_ms
from connector.store.lanes import LIMITED_LANES, LIVE, LIVE_CHECK
from connector.vendors.destinations import places
from mappings import PAYLOADS
from tests import outbound_steps
from tests.outbound_steps import Out, code, dial, lead, survey, ticket
from tests.web_client import post, web, web_settings

store, database = outbound_steps.store, outbound_steps.database

LIMIT = ((3, 60), (5, 86_400))
FORM = Source(name="landing", mapping="elementor", verify=Verify(scheme="none"), limit=LIMIT)


def at_the_limit(database: Database, count: int = 4, **values: Any) -> Out:
    out = Out(database, dial(**values))
    out.settings = replace(out.settings, sources={"landing": FORM})
    arrivals = [out.arrival(lead(number)) for number in range(count)]
    wait_for_room(arrivals)
    with database.write() as conn:
        inbox.store(conn, arrivals)
    return out


def test_only_senders_that_repeat_are_refused() -> None:
    waits = {name for name, mapping in PAYLOADS.items() if not mapping.sender.repeats}
    assert waits == {
        *("elementor", "freshdesk", "google_lead_form", "meta_leadgen", "postcenter", "rd_station", "zendesk"),
    }


def test_what_waits_is_pending_and_no_claim_takes_it(database: Database) -> None:
    out = at_the_limit(database)
    assert out.drain() == []
    rows = out.deliveries("pending")
    assert len(rows) == 4 and {row.lane for row in rows} <= set(LIMITED_LANES)
    assert {code(row) for row in rows} == {Code.LIMITED}
    assert all(row.due_at == row.expires_at for row in rows)
    with database.read() as conn:
        assert (limited.sources(conn), limited.number(conn, "landing")) == (["landing"], 4)
    [event] = explain(database, out.settings, f"d{rows[1].id}")["events"]
    assert "landing sent more than its limit" in event["deliveries"][0]["now"]
    assert "1 before it" in event["deliveries"][0]["now"]


def test_who_waits_is_found_without_reading_what_has_passed(database: Database) -> None:
    out = at_the_limit(database, 5)
    with database.write() as conn:
        ids = [row[0] for row in conn.execute(select(tables.events.c.id))]
        limited.release(conn, ids, now_ms(conn))
        assert limited.sources(conn) == []
    late = out.arrival(lead(77), source="crm")
    wait_for_room([late])
    with database.write() as conn:
        inbox.store(conn, [late])
        assert limited.sources(conn) == ["crm"]
        is_sqlite = conn.dialect.name == "sqlite"
        if not is_sqlite:
            conn.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        rows = [str(row) for row in conn.execute(text(f"{plan} {limited._SOURCES.text}"))]
    reading = [row for row in rows if " events" in row and "CTE" not in row]
    assert reading and all("ix_events_released" in row for row in reading), rows
    assert not any("Join" in row for row in rows), "each source is looked up by itself"
    assert not any("SCAN events" in row for row in rows), rows


def test_the_oldest_pass_when_there_is_room_and_then_count(database: Database) -> None:
    out = at_the_limit(database, 6)
    aside = Aside(out.settings, database, out.places)
    aside.look()
    assert [row.lane == LIVE for row in out.deliveries()] == [True] * 3 + [False] * 3
    aside.look()
    assert sum(row.lane == LIVE for row in out.deliveries()) == 3, "the minute is full"
    minute_passes(database)
    Aside(out.settings, database, out.places).look()
    assert [row.lane == LIVE for row in out.deliveries()] == [True] * 5 + [False], "the day is full"
    with database.read() as conn:
        assert sum(count for _, _, count in limited.passed(conn, ["landing"], 0)) == 5
    while out.claim().__class__.__name__ == "Claim":
        pass
    raised = replace(out.settings, sources={"landing": replace(FORM, limit=())})
    Aside(raised, database, places(raised)).look()
    assert out.deliveries()[-1].lane == LIVE


def test_nothing_that_comes_later_goes_before_it(database: Database) -> None:
    at_the_limit(database)
    limits = SourceLimits({"landing": FORM}, database)
    limits.read()
    assert limits.wait_s("landing", 1, in_line=True) > 0
    assert limits.wait_s("landing", 1) == 0, "a sender that repeats is never behind"


def test_what_waits_counts_when_it_passes_and_not_before(database: Database) -> None:
    out = at_the_limit(database, 3)
    limits = SourceLimits({"landing": FORM}, database)
    limits.read()
    assert limits.room("landing") == 3
    Aside(out.settings, database, out.places).look()
    limits.read()
    limits.read()
    assert limits.room("landing") == 0


def test_one_that_asks_the_vendor_first_asks_then_too(database: Database) -> None:
    asking = survey()
    out = Out(database, replace(asking, options={**asking.options, "ninety_day_rule": True}))
    out.settings = replace(out.settings, sources={"landing": FORM})
    arrivals = [out.arrival(ticket(1))]
    wait_for_room(arrivals)
    with database.write() as conn:
        inbox.store(conn, arrivals)
    Aside(out.settings, database, out.places).look()
    assert [row.lane for row in out.deliveries()] == [LIVE_CHECK]


def test_a_thin_event_is_fetched_once_there_is_room(database: Database) -> None:
    out = Out(database, dial())
    out.settings = replace(out.settings, sources={"landing": FORM})
    thin = Arrival(
        source="landing", event_id="t-1", type="lead.created", state="waiting", payload="{}", account="dialler"
    )
    wait_for_room([thin])
    with database.write() as conn:
        inbox.store(conn, [thin])
        head = thin_events.next_due(conn, "dialler", now_ms(conn))
        assert head is not None and head[0] > now_ms(conn) + 10**15
        number = conn.execute(select(tables.events.c.id)).scalar_one()
    [event] = explain(database, out.settings, f"e{number}")["events"]
    assert "sent more than its limit" in event["now"] and event["due_at"] is None
    Aside(out.settings, database, out.places).look()
    with database.read() as conn:
        head = thin_events.next_due(conn, "dialler", now_ms(conn))
        assert head is not None and head[0] <= now_ms(conn) and head[2] is False


def test_at_the_door_a_form_beyond_its_limit_is_taken(database_url: str) -> None:
    settings = doors(database_url)
    with web(settings) as client:
        assert [form(client, number).status_code for number in range(4)] == [202] * 4
        database = Database(settings.database_url)
        try:
            with database.read() as conn:
                assert limited.number(conn, "form") == 1
        finally:
            database.close()


def form(client: FlaskClient, number: int) -> Any:
    fields = {
        "fields": {"name": {"id": "name", "value": "Ana"}, "phone": {"id": "phone", "value": f"300111{number:04d}"}}
    }
    return post(client, "form", fields)


def doors(database_url: str) -> Settings:
    known = web_settings(database_url, "http://127.0.0.1:9")
    return replace(known, sources={**known.sources, "form": replace(FORM, name="form")})


def minute_passes(database: Database) -> None:
    with database.write() as conn:
        conn.execute(
            update(tables.events).where(text("released_at > 0")).values(released_at=text("released_at - 61000"))
        )
