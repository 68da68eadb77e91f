"""A new event, its deliveries and records are the same rows, whichever statement stores them. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Table, Text, select, type_coerce

from connector.core import at_rest
from connector.core.reasons import Code, Reason
from connector.core.settings import Secret
from connector.core.states import DeliveryState, EventState
from connector.store import attempt_list, inbox, new_rows, outbox
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database
from connector.store.lanes import BULK, LIMITED_OF, LIVE
from connector.store.tables import deliveries, events, records
from connector.store.thin_events import BEHIND

#: Columns that only later steps write.
LATER = {
    "events": {"attempts", "fetched", "second_key", "forgotten_at"},
    "deliveries": {"split", "attempt", "reason", "checked_at"},
    "records": {"result"},
}
LEAST = NewDelivery(route="least", account="a", destination="a/b/c", record="", expires_at=9 * 10**12)
MOST = NewDelivery(
    route="most",
    account="a",
    destination="a/b/c",
    record='{"name": "Ana\\u0000"}\0',
    expires_at=9 * 10**12 + 1,
    lane=BULK,
    contact="h1",
    contacts='["h1", "h2"]',
    once_key="o",
    place="57",
    consent='{"at": 1}',
    state=DeliveryState.DEAD,
    reason=Reason(Code.DUPLICATE, {"words": "twice"}),
    notes=("name: cut",),
    after="least",
    turn=7,
    rule=9,
)
FULL = Arrival(
    source="crm",
    event_id="T-1",
    type="ticket.closed",
    state=EventState.WAITING,
    payload='{"a": "ñ\0"}',
    content_type="text/x",
    occurred_at=5,
    fingerprint="f",
    errors=[{"field": "a", "message": "b"}],
    notes=("n",),
    deliveries=(LEAST, MOST),
    account="a",
    behind=True,
)
LATE = NewDelivery(
    route="late", account="a", destination="a/b/c", record="", expires_at=9 * 10**12, lane=LIMITED_OF[LIVE], turn=8
)
LIMITED = Arrival(
    source="crm",
    event_id="T-3",
    type="t",
    state=EventState.WAITING,
    payload="{}",
    deliveries=(LATE,),
    account="a",
    limited=True,
)
BARE = Arrival(source="crm", event_id="T-2", type="t", state=EventState.ACCEPTED, payload="{}", deliveries=(LEAST,))


@pytest.fixture(params=["plain", "encrypted"], autouse=True)
def keys(request: pytest.FixtureRequest) -> Iterator[None]:
    at_rest.configure([Secret("data-key")] if request.param == "encrypted" else [])
    yield
    at_rest.configure([])


def kept(database: Database, table: Table, *order: Any) -> list[dict[str, Any]]:
    with database.read() as conn:
        return [dict(row._mapping) for row in conn.execute(select(table).order_by(*order))]


def expected(rows: list[dict[str, Any]], table: Table) -> list[dict[str, Any]]:
    clean = [
        {key: value.replace("\0", "\ufffd") if isinstance(value, str) else value for key, value in row.items()}
        for row in rows
    ]
    return [dict.fromkeys(LATER[table.name]) | row for row in clean]


def test_what_is_stored_is_what_the_builder_says(database: Database):
    with database.write() as conn:
        inbox.store(conn, [FULL, BARE, LIMITED])
    found = kept(database, events, events.c.id)
    now = found[0]["received_at"]
    assert found[0]["due_at"] == now + BEHIND
    assert found == expected(
        [{"id": at, **new_rows.whole_event(one, now)} for at, one in ((1, FULL), (2, BARE), (3, LIMITED))], events
    )
    assert (found[2]["released_at"], found[0]["released_at"]) == (0, None)
    made = [(1, LEAST), (1, MOST), (2, LEAST), (3, LATE)]
    stored = kept(database, deliveries, deliveries.c.event, deliveries.c.route)
    ids = [row["id"] for row in stored]
    rows = [{"id": at, **new_rows.whole_delivery(of, new, now)} for at, (of, new) in zip(ids, made, strict=True)]
    assert stored == expected(rows, deliveries)
    assert stored[3]["due_at"] == LATE.expires_at and [row["turn"] for row in stored] == [None, 7, None, 8]
    assert rows[1]["due_at"] == MOST.expires_at and rows[1]["attempts"] == attempt_list.NONE
    rows = [
        new_rows.whole_record(at, new) for at, (_, new) in sorted(zip(ids, made, strict=True), key=lambda one: one[0])
    ]
    assert kept(database, records, records.c.delivery) == expected(rows, records)


def test_a_delivery_that_is_added_later_is_the_same_row(database: Database):
    with database.write() as conn:
        inbox.store(conn, [Arrival(source="crm", event_id="T-1", type="t", state=EventState.ACCEPTED, payload="{}")])
        assert outbox.add(conn, [(1, [MOST])], 7) == 1
    [found] = kept(database, deliveries, deliveries.c.id)
    assert found == expected([{"id": found["id"], **new_rows.whole_delivery(1, MOST, 7)}], deliveries)[0]
    assert kept(database, records) == expected([new_rows.whole_record(found["id"], MOST)], records)


def test_every_text_of_a_person_is_encrypted_where_there_is_a_key(database: Database):
    with database.write() as conn:
        inbox.store(conn, [FULL])
        invalid = Arrival(source="crm", event_id="X", type="", state=EventState.INVALID, payload='{"b": 1}')
        inbox.store(conn, [invalid])
        raw = [*conn.execute(select(type_coerce(events.c.payload, Text))).scalars()]
        raw += conn.execute(select(type_coerce(records.c.record, Text)).where(records.c.record != "")).scalars()
    assert len(raw) == 3
    assert all(text.startswith(at_rest.newest()) for text in raw)
    assert any("ñ" in text for text in raw) == (not at_rest.newest())


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (events, {*new_rows.EVENT, *new_rows.EVENT_BY_CLOCK}),
        (deliveries, {*new_rows.DELIVERY, *new_rows.DELIVERY_BY_CLOCK, "event"}),
        (records, {*new_rows.RECORD, "delivery"}),
    ],
    ids=["events", "deliveries", "records"],
)
def test_every_column_is_written_by_the_builder_or_by_a_later_step(table: Table, names: set[str]):
    assert names | LATER[table.name] == {column.name for column in table.c} - {"id"}
    assert not names & LATER[table.name]


def test_a_copy_of_a_text_with_a_nul_is_a_copy(database: Database):
    with database.write() as conn:
        inbox.store(conn, [FULL])
        changed = Arrival(source="crm", event_id="T-1", type="t", state=EventState.ACCEPTED, payload=FULL.payload)
        assert [stored.status for stored in inbox.store(conn, [changed])] == ["duplicate"]
