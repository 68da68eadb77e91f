"""The outbox: (event, route) once for ever, the oldest first, and queries that stay on their index."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from connector.core.reasons import Code, Reason
from connector.core.settings import Settings
from connector.core.states import DeliveryState
from connector.outbound import routes
from connector.store import outbox, processes, tables
from connector.store.arrivals import NewDelivery
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, LIVE, LIVE_SPLIT
from connector.store.processes import Process, Role
from tests import outbound_steps
from tests.outbound_steps import (
    DIAL,
    Out,
    accepted,
    dial,
    lead,
    leads,
    refused,
    survey,
    ticket,
    unknown,
)

DUE = ("ix_deliveries_due",)
store, database = outbound_steps.store, outbound_steps.database


@pytest.fixture
def out(database: Database) -> Out:
    return Out(database, dial())


def new(route: str = "dial 1042", **values: Any) -> NewDelivery:
    given = {"route": route, "account": "dialler", "destination": DIAL, "record": '{"n":1}', "expires_at": 9 * 10**12}
    return NewDelivery(**given | values)


def add(out: Out, *given: tuple[int, list[NewDelivery]]) -> int:
    with out.database.write() as conn:
        return outbox.add(conn, given, now_ms(conn))


def test_an_event_and_a_route_are_unique_for_ever(out: Out):
    assert add(out, (1, [new()]), (2, [new()])) == 2
    assert add(out, (1, [new(record='{"n":2}'), new("second")]), (1, [new()])) == 1
    with out.database.read() as conn:
        assert set(conn.execute(select(tables.records.c.record)).scalars()) == {'{"n":1}'}
    assert [(row.event, row.route) for row in out.deliveries()] == [(1, "dial 1042"), (2, "dial 1042"), (1, "second")]


def test_a_record_that_could_not_be_made_is_dead_at_once(out: Out):
    add(
        out,
        (
            1,
            [new(record="", state="dead", reason=Reason(Code.NO_RECORD, {"words": "tel1: missing"}), notes=("a", "b"))],
        ),
    )
    [dead] = out.deliveries("dead")
    assert dead.reason_code == Code.NO_RECORD
    assert not hasattr(out.claim(), "attempt")


def test_the_oldest_due_go_first_and_no_more_than_the_limit(out: Out):
    out.put(leads(5))
    with out.database.write() as conn:
        now = now_ms(conn)
        assert outbox.claim(conn, 77, DIAL, LIVE, 3, now) == 3
        assert [number for number, _ in outbox.members(conn, 77)] == sorted(row.id for row in out_rows(conn))[:3]
        assert outbox.claim(conn, 78, DIAL, BULK, 3, now) == 0
        assert outbox.claim(conn, 78, DIAL, LIVE, 3, now - 60_000) == 0
        assert outbox.claim(conn, 78, DIAL, LIVE, 3, now) == 2


def out_rows(conn: Any) -> list[Any]:
    return list(conn.execute(select(tables.deliveries)))


def test_a_member_remembers_every_attempt(out: Out):
    out.put(leads(1))
    first = out.claimed()
    out.settle(first, refused())
    out.later(120)
    second = out.claimed()
    [row] = out.deliveries()
    assert row.attempts == f",{first.attempt.id},{second.attempt.id}"
    assert row.attempt == second.attempt.id


def test_settling_touches_only_the_members_of_the_attempt(out: Out):
    out.put(leads(2))
    claimed = out.claimed()
    out.put(leads(1, first=9))
    out.settle(claimed, accepted())
    assert out.states() == {"delivered": 2, "pending": 1}


def test_a_split_keeps_its_lane_and_is_taken_alone(out: Out):
    out.works()
    out.put(leads(4))
    claimed = out.claimed()
    out.settle(claimed, refused())
    assert {row.lane for row in out.deliveries()} == {LIVE_SPLIT}
    with out.database.write() as conn:
        head = outbox.next_due(conn, DIAL, LIVE_SPLIT, now_ms(conn))
        assert head is not None
        assert outbox.claim(conn, 99, DIAL, LIVE_SPLIT, 10, now_ms(conn), head=head) == 2


def test_what_has_come_before_the_head_meanwhile_is_found_in_a_second_or_when_nothing_else_is_due(
    out: Out, monkeypatch: pytest.MonkeyPatch
):
    out.put(leads(3))

    def head(clock_s: float) -> int:
        monkeypatch.setattr(outbox.time, "monotonic", lambda: clock_s)
        with out.database.read() as conn:
            found = outbox.next_due(conn, DIAL, LIVE, now_ms(conn))
        assert found is not None
        return found.id

    first, second, third = (row.id for row in out.deliveries())
    with out.database.write() as conn:
        conn.execute(text("UPDATE deliveries SET due_at = due_at - 10"))
        conn.execute(text(f"UPDATE deliveries SET due_at = due_at - 10, state = 'sending' WHERE id = {first}"))
    assert head(100.0) == second
    with out.database.write() as conn:  # a transaction that took its time ends only now
        conn.execute(text(f"UPDATE deliveries SET state = 'pending' WHERE id = {first}"))
    assert head(100.5) in (first, second)
    assert head(101.5) == first
    with out.database.write() as conn:
        conn.execute(text(f"UPDATE deliveries SET state = 'sending' WHERE id = {first}"))
    assert head(200.0) == second
    with out.database.write() as conn:
        conn.execute(text(f"UPDATE deliveries SET state = 'pending' WHERE id = {first}"))
        conn.execute(text(f"UPDATE deliveries SET due_at = due_at + 3600000 WHERE id IN ({second}, {third})"))
    assert head(200.5) == first


def test_a_person_is_known_to_have_been_sent_before(out: Out):
    out.put([lead(1), lead(2)])
    out.settle(out.claimed(), accepted())
    out.put([lead(1, id="again"), lead(3)])
    claimed = out.claimed()
    with out.database.read() as conn:
        known = {
            number: outbox.sent_before(conn, DIAL, number) for number, _ in outbox.members(conn, claimed.attempt.id)
        }
        assert sorted(known.values()) == [False, True]
        assert not any(outbox.sent_before(conn, "dialler/wolkvox.add_record/1043", number) for number in known)


def test_only_an_unknown_attempt_before_counts_as_tried(out: Out):
    out.put(leads(2))
    first = out.claimed()
    out.settle(first, unknown(ask=False))
    with out.database.write() as conn:
        one = outbox.members(conn, first.attempt.id)[0][0]
        outbox.settle(
            conn, first.attempt.id, state="pending", now=now_ms(conn), due_at=now_ms(conn), first=one, last=one
        )
    out.put(leads(1, first=7))
    second = out.claimed()
    with out.database.read() as conn:
        assert outbox.tried_before(conn, second.attempt.id) == {one}
        assert outbox.tried_before(conn, first.attempt.id) == set()


def test_pending_deliveries_follow_their_route_to_a_corrected_campaign(out: Out):
    out.put(leads(3))
    claimed = out.claimed()
    out.put(leads(2, first=5))
    moved = Out(out.database, dial("1043", name="dial 1042"))
    where = {(row.state, row.destination) for row in moved.deliveries()}
    assert where == {("sending", DIAL), ("pending", "dialler/wolkvox.add_record/1043")}
    moved.later(10)
    assert claimed.attempt.id not in {one.attempt.id for one in [moved.claimed()]}


def test_what_comes_back_to_a_former_campaign_is_found_and_follows(out: Out):
    """A call of before the change ends later, and a process of before stores a lead after it."""
    out.put(leads(2))
    claimed = out.claimed()
    moved = Out(out.database, dial("1043", name="dial 1042"))
    with out.database.write() as conn:
        outbox.settle(conn, claimed.attempt.id, state="pending", now=now_ms(conn), due_at=now_ms(conn))
    out.put(leads(1, first=5))
    assert {row.destination for row in out.deliveries()} == {DIAL}
    assert routes.gather(moved.settings, out.database, moved.places) == 3
    assert {row.destination for row in out.deliveries()} == {"dialler/wolkvox.add_record/1043"}
    assert routes.gather(moved.settings, out.database, moved.places) == 0


def test_a_worker_of_the_former_configuration_moves_nothing_back(out: Out):
    """It still runs after the correction: what waits at the corrected campaign is elsewhere for it."""
    out.put(leads(2))
    former = replace(out.settings, config_hash="former")
    moved = Out(out.database, dial("1043", name="dial 1042"))
    current = replace(moved.settings, config_hash="current")
    _begins(out.database, former, current)
    assert routes.gather(former, out.database, out.places) == 0
    assert {row.destination for row in out.deliveries()} == {"dialler/wolkvox.add_record/1043"}
    out.put(leads(1, first=5))
    assert routes.gather(current, out.database, moved.places) == 1
    assert {row.destination for row in out.deliveries()} == {"dialler/wolkvox.add_record/1043"}


def test_once_the_newest_worker_is_gone_the_one_that_is_left_gathers(out: Out):
    out.put(leads(1))
    former = replace(out.settings, config_hash="former")
    Out(out.database, dial("1043", name="dial 1042"))
    _, newest = _begins(out.database, former, replace(former, config_hash="current"))
    with out.database.write() as conn:
        processes.stopped(conn, newest, now_ms(conn))
    assert routes.gather(former, out.database, out.places) == 1
    assert {row.destination for row in out.deliveries()} == {DIAL}


def test_a_web_process_of_another_configuration_has_no_say(out: Out):
    out.put(leads(1))
    moved = Out(out.database, dial("1043", name="dial 1042"))
    out.put(leads(1, first=5))
    current = replace(moved.settings, config_hash="current")
    _begins(out.database, current)
    _begins(out.database, replace(current, config_hash="another"), role=Role.WEB)
    assert routes.gather(current, out.database, moved.places) == 1


def _begins(database: Database, *several: Settings, role: Role = Role.WORKER) -> list[str]:
    """A process of each configuration, one after the other."""
    names = [secrets.token_hex(4) for _ in several]
    for later, (name, settings) in enumerate(zip(names, several, strict=True)):
        with database.write() as conn:
            now = now_ms(conn) + later
            processes.beat(conn, Process(name, (role,), "vm", 7, "0.1.0", settings.config_hash, now, now), now)
    return names


def test_strays_of_another_operation_ask_no_guard_again(database: Database, monkeypatch: pytest.MonkeyPatch):
    """Their records fit no other operation: they stay, and nothing that waits in its place is asked once more."""
    out = Out(database, dial(name="route"))
    out.put([lead(1)])
    other = Out(database, survey(name="route"))
    followed: list[str] = []
    monkeypatch.setattr(routes, "follow", lambda *_: followed.append("asked") or 0)
    assert routes.gather(other.settings, database, other.places) == 0
    assert not followed
    assert [row.destination for row in out.deliveries()] == [DIAL]


def test_what_waits_for_a_route_that_is_gone_is_left_where_it_is(out: Out):
    out.put(leads(1))
    other = Out(out.database, dial("1043", name="another"))
    assert routes.gather(other.settings, out.database, other.places) == 0
    assert {row.destination for row in out.deliveries()} == {DIAL}


def test_deliveries_do_not_follow_a_route_to_another_operation(database: Database):
    out = Out(database, dial(name="route"))
    out.put([lead(1)])
    Out(database, survey(name="route"))
    assert [row.destination for row in out.deliveries()] == [DIAL]


def test_a_record_survives_quotes_escapes_and_every_script(out: Out):
    strange = '{"a":"\\u0000 \\" \' 😀 ñ \\\\u0041"}'
    add(out, (1, [new(record=strange, reason=Reason(Code.NO_RECORD, {"words": strange}))]))
    claimed = out.claimed()
    with out.database.read() as conn:
        assert [text_ for _, text_ in outbox.members(conn, claimed.attempt.id)] == [strange]


def test_the_claims_queries_stay_on_the_partial_indexes(out: Out):
    """Or a million delivered rows would be walked past at every claim."""
    add(out, *((number, [new()]) for number in range(200)))
    with out.database.write() as conn:
        if conn.dialect.name == "sqlite":
            plan = "EXPLAIN QUERY PLAN "
        else:
            plan = "EXPLAIN "
            conn.execute(text("SET LOCAL enable_seqscan = off"))
            conn.execute(text("SET LOCAL enable_sort = off"))
        given = {"to": "x", "of_lane": 0, "names": ["x", "y"], "of_lanes": [0, 2], "now": 1}
        # Whether one is due, either index of what waits can tell: Postgres takes the one that its statistics prefer.
        for wanted, indexes in ((outbox._HEAD, DUE), (outbox._ANY_DUE, (*DUE, "ix_deliveries_turn"))):
            known = {name: given[name] for name in wanted.statement.compile().params if name in given}
            said = wanted.statement.params(known).compile(conn, compile_kwargs={"literal_binds": True})
            shown = " ".join(str(row) for row in conn.execute(text(f"{plan}{said}".replace(":", "\\:"))))
            assert any(index in shown for index in indexes), shown
            assert "SCAN" not in shown and "Seq Scan" not in shown, shown
        hand = "SELECT id FROM deliveries WHERE attempt = 5 AND deliveries.state IN ('sending', 'uncertain')"
        assert "ix_deliveries_attempt" in " ".join(str(row) for row in conn.execute(text(plan + hand)))


def test_a_partial_answer_settles_each_of_its_own(database: Database):
    out = Out(database, survey())
    out.put([ticket(number) for number in range(3)])
    claimed = out.claimed("surveys")
    with database.write() as conn:
        ids = [number for number, _ in outbox.members(conn, claimed.attempt.id)]
        now = now_ms(conn)
        rows = [
            (ids[0], DeliveryState.DELIVERED, None, now),
            (ids[1], DeliveryState.DEAD, Reason(Code.REFUSED), now),
            (10**9, DeliveryState.DEAD, None, now),
        ]
        outbox.settle_each(conn, claimed.attempt.id, rows, now)
    assert [row.state for row in out.deliveries()] == ["delivered", "dead", "sending"]
