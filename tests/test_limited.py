"""Events beyond the limit of a sender that does not repeat: kept, acknowledged, and let in when there is room."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, select, text, update

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
    aside.run_once()
    assert [row.lane == LIVE for row in out.deliveries()] == [True] * 3 + [False] * 3
    aside.run_once()
    assert sum(row.lane == LIVE for row in out.deliveries()) == 3, "the minute is full"
    minute_passes(database)
    Aside(out.settings, database, out.places).run_once()
    assert [row.lane == LIVE for row in out.deliveries()] == [True] * 5 + [False], "the day is full"
    with database.read() as conn:
        assert sum(count for _, _, count in limited.passed(conn, ["landing"], 1)) == 5
    while out.claim().__class__.__name__ == "Claim":
        pass
    raised = replace(out.settings, sources={"landing": replace(FORM, limit=())})
    Aside(raised, database, places(raised)).run_once()
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
    Aside(out.settings, database, out.places).run_once()
    limits.read()
    limits.read()
    assert limits.room("landing") == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_counting_from_where_it_stood_counts_what_counting_a_day_does(
    sqlite_template: Path, steps: list[tuple[int, int, bool]]
) -> None:
    """Some pass each time, written up to half a minute after the moment that they are given."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(sqlite_template, Path(folder) / "connector.db")
        database = Database(f"sqlite:///{folder}/connector.db")
        database.engine.update_execution_options(connector_clock=lambda: now_s * 1000)
        now_s, number = 1_900_000_000, 0
        known = SourceLimits({"landing": FORM}, database, clock=lambda: now_s)
        for later_s, passes, reads in steps:
            now_s += later_s
            with database.write() as conn:
                for one in range(passes):
                    number += 1
                    _passed(conn, number, (now_s - 15 * one) * 1000)
            if reads:
                known.read()
        known.read()
        afresh = SourceLimits({"landing": FORM}, database, clock=lambda: now_s)
        afresh.read()
        assert known.room("landing") == afresh.room("landing")
        assert [one.used(now_s) for one in known._windows["landing"]] == [
            one.used(now_s) for one in afresh._windows["landing"]
        ]
        database.close()


def test_a_reading_asks_for_no_more_than_the_last_minute_of_what_passed(database: Database) -> None:
    at_the_limit(database, 5)
    limits = SourceLimits({"landing": FORM}, database)
    with database.write() as conn:
        now = now_ms(conn)
        conn.execute(update(tables.events).values(released_at=now - 7_200_000))
    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, given: Any, *rest: Any) -> None:
        if "released_at >=" in statement:
            asked.append((statement, given))

    limits.read()
    event.listen(database.engine, "before_cursor_execute", note)
    limits.read()
    event.remove(database.engine, "before_cursor_execute", note)
    [(statement, given)] = asked
    values = given.values() if isinstance(given, dict) else given
    assert now - 62_000 <= max(one for one in values if isinstance(one, int)) <= now_ms_of(database)
    with database.read() as conn:
        is_sqlite = conn.dialect.name == "sqlite"
        if not is_sqlite:
            conn.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        rows = " ".join(str(row) for row in conn.exec_driver_sql(f"{plan} {statement}", given))
    assert "ix_events_released" in rows, rows
    assert "released_at>" in rows.replace(" ", ""), "the index is entered at the time"
    with database.read() as conn:
        assert limits.room("landing") == 0


def now_ms_of(database: Database) -> int:
    with database.read() as conn:
        return now_ms(conn)


def _passed(conn: Connection, number: int, at: int) -> None:
    body = Arrival(source="landing", event_id=f"p-{number}", type="lead.created", state="accepted", payload="{}")
    wait_for_room([body])
    inbox.store(conn, [body])
    mine = tables.events.c.event_id == f"p-{number}"
    conn.execute(update(tables.events).where(mine).values(released_at=at))


def test_one_that_asks_the_vendor_first_asks_then_too(database: Database) -> None:
    asking = survey()
    out = Out(database, replace(asking, options={**asking.options, "ninety_day_rule": True}))
    out.settings = replace(out.settings, sources={"landing": FORM})
    arrivals = [out.arrival(ticket(1))]
    wait_for_room(arrivals)
    with database.write() as conn:
        inbox.store(conn, arrivals)
    Aside(out.settings, database, out.places).run_once()
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
    Aside(out.settings, database, out.places).run_once()
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
