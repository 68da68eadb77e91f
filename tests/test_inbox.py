"""The inbox: what came is there once, whoever sends it again, and however many at a time."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from connector.core import keyed_hash
from connector.core.payload import as_text
from connector.store import inbox, tables
from connector.store.arrivals import Arrival, NewDelivery
from connector.store.database import Database
from connector.store.inbox import HASHED
from tests import outbound_steps
from tests.outbound_steps import Out, dial, lead, leads

store, database = outbound_steps.store, outbound_steps.database

DAY_S = 24 * 3600


def arrival(number: int = 1, **values: Any) -> Arrival:
    """An accepted event with one delivery."""
    delivery = NewDelivery(route="dial", account="a", destination="a/b/c", record="{}", expires_at=9 * 10**12)
    given = {"source": "landing", "event_id": f"L-{number}", "type": "lead.created", "state": "accepted"}
    given |= {"payload": "{}", "fingerprint": f"f{number}", "deliveries": (delivery,)}
    return Arrival(**given | values)


def put(database: Database, *arrivals: Arrival) -> list[str]:
    with database.write() as conn:
        return [stored.status for stored in inbox.store(conn, arrivals)]


def count(database: Database, table: Any = tables.events, **where: Any) -> int:
    query = select(func.count()).select_from(table)
    for name, value in where.items():
        query = query.where(table.c[name] == value)
    with database.read() as conn:
        return conn.execute(query).scalar_one()


def test_an_event_is_stored_with_its_deliveries_and_records(database: Database):
    with database.write() as conn:
        [stored] = inbox.store(conn, [arrival(notes=("phones.1: too short",))])
    assert (stored.status, stored.event_id, stored.deliveries) == ("accepted", "L-1", 1)
    assert (count(database), count(database, tables.deliveries, state="pending")) == (1, 1)
    assert count(database, tables.records, record="{}") == 1
    with database.read() as conn:
        assert conn.execute(select(tables.events.c.notes)).scalar_one() == '["phones.1: too short"]'


def test_a_second_copy_changes_nothing(database: Database):
    assert put(database, arrival()) == ["accepted"]
    assert put(database, arrival()) == ["duplicate"]
    assert (count(database), count(database, tables.deliveries)) == (1, 1)


def test_another_event_under_the_same_id_is_kept_as_a_conflict(database: Database):
    put(database, arrival())
    assert put(database, arrival(fingerprint="other", payload='{"other": 1}')) == ["conflict"]
    assert (count(database, state="accepted"), count(database, state="invalid")) == (1, 1)
    with database.read() as conn:
        kept = conn.execute(select(tables.events).where(tables.events.c.state == "invalid")).one()
    assert kept.key is None
    assert "another event was received under this id" in kept.errors
    assert count(database, tables.deliveries) == 1


def test_the_same_payload_is_a_copy_although_its_mapping_reads_it_otherwise_by_now(database: Database):
    put(database, arrival(payload='{"a": 1}'), arrival(2))
    again = arrival(fingerprint="as it is read now", payload='{"a": 1}')
    other = arrival(fingerprint="as it is read now", payload='{"a": 2}')
    assert put(database, other, again, arrival(3)) == ["conflict", "duplicate", "accepted"]
    assert again.errors == []
    assert count(database, tables.deliveries) == 3


def test_the_same_id_of_another_source_is_another_event(database: Database):
    assert put(database, arrival(), arrival(source="crm")) == ["accepted", "accepted"]


def test_what_nobody_wants_is_ignored_and_its_copy_a_duplicate(database: Database):
    unwanted = arrival(state="ignored", deliveries=())
    assert put(database, unwanted) == ["ignored"]
    assert put(database, unwanted) == ["duplicate"]
    assert count(database, tables.deliveries) == 0


def test_an_invalid_row_holds_no_key_so_a_corrected_copy_is_welcome(database: Database):
    bad = arrival(state="invalid", fingerprint=None, deliveries=(), errors=[{"field": "type", "message": "missing"}])
    assert put(database, bad) == ["invalid"]
    assert put(database, bad, arrival(), bad) == ["invalid", "accepted", "invalid"]
    assert count(database, state="invalid") == 3
    assert count(database, key="L-1") == 1


def test_copies_within_one_batch_are_told_apart(database: Database):
    first, other = arrival(), arrival(fingerprint="other", payload='{"other": 1}')
    assert put(database, first, arrival(), other, arrival(2)) == ["accepted", "duplicate", "conflict", "accepted"]
    assert count(database, state="accepted") == 2
    assert count(database, tables.deliveries) == 2


def test_ten_thousand_at_once_keep_their_order_in_the_answer(database: Database):
    numbers = list(range(10_000))
    random.Random(7).shuffle(numbers)
    with database.write() as conn:
        stored = inbox.store(conn, [arrival(number) for number in numbers])
    assert [one.event_id for one in stored] == [f"L-{number}" for number in numbers]
    assert {one.status for one in stored} == {"accepted"}
    again = put(database, *(arrival(number) for number in [*numbers, 10_000]))
    assert again == ["duplicate"] * 10_000 + ["accepted"]
    assert count(database, tables.records) == 10_001


def test_a_hashed_id_gives_its_key_up_after_four_days(database: Database):
    out = Out(database, dial())
    form = arrival(event_id=HASHED + "ab" * 32)
    assert put(database, form) == ["accepted"]
    out.later(4 * DAY_S - 60)
    assert put(database, form) == ["duplicate"]
    out.later(120)
    assert put(database, form, replace(form)) == ["accepted", "duplicate"]
    assert count(database, state="accepted") == 2
    assert put(database, form) == ["duplicate"]


def test_a_senders_own_id_never_gives_its_key_up(database: Database):
    out = Out(database, dial())
    put(database, arrival())
    out.later(400 * DAY_S)
    assert put(database, arrival()) == ["duplicate"]


def test_many_threads_storing_the_same_events_store_each_once(database: Database):
    numbers = list(range(300))

    def store(seed: int) -> list[str]:
        mine = numbers[:]
        random.Random(seed).shuffle(mine)
        statuses: list[str] = []
        for at in range(0, len(mine), 50):
            statuses += put(database, *(arrival(number) for number in mine[at : at + 50]))
        return statuses

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for found in pool.map(store, range(8)) for status in found]
    assert statuses.count("accepted") == 300
    assert statuses.count("duplicate") == 7 * 300
    assert (count(database), count(database, tables.deliveries)) == (300, 300)


def test_copies_of_a_lapsed_hash_in_many_threads_become_one_new_event(database: Database):
    out = Out(database, dial())
    forms = [arrival(number, event_id=f"{HASHED}{number:064d}") for number in range(40)]
    put(database, *forms)
    out.later(4 * DAY_S + 1)
    together = threading.Barrier(8)

    def store(seed: int) -> list[str]:
        mine = [replace(form) for form in forms]
        random.Random(seed).shuffle(mine)
        together.wait()
        return put(database, *mine)

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for found in pool.map(store, range(8)) for status in found]
    assert statuses.count("accepted") == 40
    assert statuses.count("duplicate") == 7 * 40
    assert count(database, tables.deliveries) == 80


def test_events_and_deliveries_come_or_go_together(database: Database):
    with pytest.raises(RuntimeError), database.write() as conn:
        inbox.store(conn, [arrival()])
        raise RuntimeError
    assert (count(database), count(database, tables.deliveries), count(database, tables.records)) == (0, 0, 0)


def test_every_route_that_wants_an_event_gets_a_delivery(database: Database):
    out = Out(database, dial(), dial("1043"))
    [stored] = out.put([lead(1)])
    assert stored.deliveries == 2
    assert {row.destination for row in out.deliveries()} == {
        f"dialler/wolkvox.add_record/{one}" for one in ("1042", "1043")
    }
    assert out.put(leads(2))[0].status == "duplicate"


@pytest.mark.parametrize(
    "raw",
    [b'{"a": "\xc3\xb1"}', b"\xff\xfe\x00binary", b"with\x00nul", b"", "emoji 😀 and 'quotes\"".encode()],
)
def test_whatever_the_bytes_are_they_can_be_kept(database: Database, raw: bytes):
    kept = as_text(raw)
    assert put(database, arrival(state="invalid", payload=kept, deliveries=())) == ["invalid"]
    assert count(database, payload=kept) == 1
    assert "\0" not in kept


# --- copies of what was forgotten -----------------------------------------------------------------------------------

KEY = b"invented-key"


def forget(database: Database, *numbers: int, source: str = "landing", prefix: str = "L-") -> None:
    """What a purge leaves of these events' keys and fingerprints."""
    events = tables.events.c
    with database.write() as conn:
        conn.execute(insert(tables.facts).values(name=keyed_hash.FACT, value=keyed_hash.mark(KEY)))
        for called in (f"{prefix}{number}" for number in numbers):
            row = conn.execute(select(tables.events).where(events.source == source, events.key == called)).one()
            values = {"key": keyed_hash.name(KEY, source, called), "event_id": "", "payload": ""}
            values |= {"fingerprint": keyed_hash.fingerprint(KEY, row.fingerprint), "forgotten_at": 1}
            conn.execute(update(tables.events).where(events.id == row.id).values(values))


def put_keyed(database: Database, *arrivals: Arrival) -> list[str]:
    with database.write() as conn:
        return [stored.status for stored in inbox.store(conn, arrivals, key=KEY)]


def test_a_copy_of_a_forgotten_event_is_a_duplicate_and_leaves_nothing(database: Database):
    put_keyed(database, arrival(1), arrival(2))
    forget(database, 1)
    assert put_keyed(database, arrival(1), arrival(2), arrival(3)) == ["duplicate", "duplicate", "accepted"]
    assert (count(database), count(database, tables.deliveries), count(database, tables.records)) == (3, 3, 3)
    assert count(database, key="L-1") == 0


def test_another_event_under_a_forgotten_id_is_a_conflict(database: Database):
    put_keyed(database, arrival(1))
    forget(database, 1)
    other = arrival(1, fingerprint="other")
    assert put_keyed(database, other, arrival(1), replace(other)) == ["conflict", "duplicate", "conflict"]
    assert (count(database), count(database, state="invalid")) == (3, 2)


def test_a_forgotten_ignored_event_is_known_too(database: Database):
    put_keyed(database, arrival(1, state="ignored", fingerprint=None, deliveries=()))
    forget(database, 1)
    again = arrival(1, state="ignored", fingerprint=None, deliveries=())
    assert put_keyed(database, again) == ["duplicate"]


def test_the_same_id_of_another_source_is_no_copy_of_a_forgotten_one(database: Database):
    put_keyed(database, arrival(1))
    forget(database, 1)
    assert put_keyed(database, arrival(1, source="crm")) == ["accepted"]


def test_a_forgotten_hash_of_a_body_lapses_like_any(database: Database):
    out = Out(database, dial())
    form = arrival(event_id=HASHED + "1")
    put_keyed(database, form)
    forget(database, 1, prefix=HASHED)
    assert put_keyed(database, replace(form)) == ["duplicate"]
    out.later(4 * DAY_S + 1)
    assert put_keyed(database, replace(form), replace(form)) == ["accepted", "duplicate"]


def test_many_threads_storing_copies_of_forgotten_events_store_none(database: Database):
    numbers = list(range(1200))
    put_keyed(database, *(arrival(number) for number in numbers))
    forget(database, *numbers[::2])

    def store(seed: int) -> list[str]:
        mine = numbers[:]
        random.Random(seed).shuffle(mine)
        return [one for at in range(0, 1200, 300) for one in put_keyed(database, *map(arrival, mine[at : at + 300]))]

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for found in pool.map(store, range(4)) for status in found]
    assert set(statuses) == {"duplicate"}
    assert (count(database), count(database, tables.deliveries)) == (1200, 1200)
