"""Reasons not to send now: contact hours, the do-not-contact list, the 90-day rule; and what becomes of who waits."""

from __future__ import annotations

import functools
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from connector.admin import guards as guarded
from connector.admin.explain import explain as explain_event
from connector.admin.replay import Replay, Wish
from connector.admin.resolve import resolve
from connector.admin.status import status as read_status
from connector.core import contact_hours
from connector.core.quota import Wait
from connector.core.reasons import Code
from connector.core.settings import ContactHours
from connector.core.times import iso
from connector.inbound.files import formats
from connector.inbound.files.importer import Bulk
from connector.outbound import claims
from connector.outbound.claims import Claim
from connector.outbound.guards import contact_hours as hours_guard
from connector.store import lanes, outbox, suppression_list, tables
from connector.store.database import Database, now_ms
from connector.store.lanes import BULK, BULK_CHECK, LIVE_CHECK
from connector.store.suppression_list import Entry
from connector.vendors.destinations import name_of
from connector.vendors.sandbox.exchange import Sandbox
from mappings.events import Customer, Phone
from tests import connector_steps, outbound_steps
from tests.conftest import settings_for
from tests.connector_steps import World
from tests.outbound_steps import BY, Out, dial, lead, leads, note, once, survey, ticket

store, database, sandbox = outbound_steps.store, outbound_steps.database, outbound_steps.sandbox

BOGOTA = ZoneInfo("America/Bogota")
SANTIAGO = ZoneInfo("America/Santiago")  # its clocks are changed at midnight
NEVER = ContactHours(name="never", weekdays=None, saturday=None, sunday=None, holidays=None, country="")
OWN = ContactHours(
    name="its own", weekdays=(480, 1080), saturday=(540, 780), sunday=None, holidays=(600, 660), country="CL"
)


def at(text: str, zone: ZoneInfo = BOGOTA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


# --- contact hours: the decision ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-27T07:00", None),  # a Friday
        ("2026-11-27T06:59:59", "2026-11-27T07:00"),
        ("2026-11-27T18:59:59", None),
        ("2026-11-27T19:00", "2026-11-28T08:00"),
        ("2026-11-28T14:59", None),
        ("2026-11-28T15:00", "2026-11-30T07:00"),  # over the Sunday
        ("2026-11-29T12:00", "2026-11-30T07:00"),
        ("2026-11-14T16:00", "2026-11-17T07:00"),  # the Monday is a holiday: Independence of Cartagena
        ("2026-12-08T10:00", "2026-12-09T07:00"),
        ("2026-12-24T20:00", "2026-12-26T08:00"),
    ],
)
def test_law_2300_says_when_people_may_be_contacted(moment: str, opens: str | None) -> None:
    assert contact_hours.opening(contact_hours.PRESETS["CO"], BOGOTA, at(moment)) == (at(opens) if opens else None)


def test_the_words_say_until_when() -> None:
    assert contact_hours.local_time(at("2026-11-30T07:00"), BOGOTA) == "Monday 2026-11-30 07:00"


spans = st.none() | st.tuples(st.integers(0, 1438), st.integers(1, 1440)).filter(lambda one: one[0] < one[1])
hours = st.builds(
    ContactHours,
    name=st.just("drawn"),
    weekdays=spans,
    saturday=spans,
    sunday=spans,
    holidays=spans,
    country=st.sampled_from(["", "CO", "CL", "BR"]),
).filter(lambda one: one.weekdays or one.saturday or one.sunday)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001 - made aware below


zones = st.sampled_from([BOGOTA, SANTIAGO, ZoneInfo("America/Sao_Paulo"), ZoneInfo("Australia/Lord_Howe"), UTC])


@given(hours, zones, moments)
def test_the_next_opening_is_open_and_no_moment_before_it_is(drawn: ContactHours, zone: Any, moment: datetime) -> None:
    now = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    opens = contact_hours.opening(drawn, zone, now)
    assert (opens is None) is shows(drawn, zone, now)
    if opens is None:
        return
    assert opens > now
    assert shows(drawn, zone, opens), "it is open when it opens"
    for before in (opens - 1, now + (opens - now) // 2, *range(now, opens, 7 * 3_600_000)):
        assert not shows(drawn, zone, before), "and was not before"


# Clocks that are moved: in Santiago at midnight, an hour on and an hour back; on Lord Howe by half an hour at two.
MOVED = [(SANTIAGO, "2026-09-06"), (SANTIAGO, "2026-04-05"), (ZoneInfo("Australia/Lord_Howe"), "2026-04-05")]
MOVED += [(ZoneInfo("Australia/Lord_Howe"), "2026-10-04"), (ZoneInfo("America/Sao_Paulo"), "2018-11-04")]


@given(hours, st.sampled_from(MOVED), st.integers(-1500, 1500))
def test_no_minute_is_missed_or_added_where_the_clock_is_moved(
    drawn: ContactHours, place: tuple[ZoneInfo, str], minutes: int
) -> None:
    zone, day = place
    now = at(f"{day}T00:00", zone) + minutes * 60_000
    opens = contact_hours.opening(drawn, zone, now)
    first = next((one for one in range(now, now + 30 * 3_600_000, 60_000) if shows(drawn, zone, one)), None)
    if first is None:
        assert opens is not None and opens >= now + 30 * 3_600_000
    else:
        assert (opens or now) == first


def shows(one: ContactHours, zone: Any, moment: int) -> bool:
    """Whether the clock on the wall shows a time within the hours of the day that it shows."""
    wall = datetime.fromtimestamp(moment / 1000, zone)
    span = (one.weekdays, one.weekdays, one.weekdays, one.weekdays, one.weekdays, one.saturday, one.sunday)
    calendar = _calendar(one.country) if one.country else {}
    today = one.holidays if wall.date() in calendar else span[wall.weekday()]
    return today is not None and today[0] <= wall.hour * 60 + wall.minute < today[1]


@functools.cache
def _calendar(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)


def test_an_hour_that_is_skipped_does_not_move_the_hours() -> None:
    # On 6 September 2026 the clocks of Santiago go from midnight to one: half past twelve is never shown.
    early = ContactHours(name="early", weekdays=None, saturday=None, sunday=(30, 120), holidays=None, country="")
    assert contact_hours.opening(early, SANTIAGO, at("2026-09-05T12:00", SANTIAGO)) == at("2026-09-06T01:00", SANTIAGO)
    # On 5 April they go back from midnight to eleven: the last hour of Saturday is shown twice, and open twice.
    late = ContactHours(name="late", weekdays=None, saturday=(1380, 1410), sunday=None, holidays=None, country="")
    eleven = at("2026-04-04T23:00", SANTIAGO)
    moments_ = [contact_hours.opening(late, SANTIAGO, eleven + half * 1_800_000) for half in range(4)]
    assert moments_ == [None, eleven + 3_600_000, None, at("2026-04-11T23:00", SANTIAGO)]


def test_whoever_never_opens_waits_without_end_but_without_a_loop() -> None:
    now = at("2026-11-27T12:00")
    assert contact_hours.opening(NEVER, BOGOTA, now) == now + timedelta(days=400) // timedelta(milliseconds=1)


# --- contact hours: the deliveries ----------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Until when every route with hours is closed (unix ms); 0: open."""
    until = {"until": 0}
    monkeypatch.setattr(
        contact_hours, "opening", lambda _hours, _zone, now: until["until"] if until["until"] > now else None
    )
    return until


def test_what_is_due_outside_its_hours_is_held_and_leaves_when_they_begin(
    database: Database, sandbox: Sandbox, clock: dict[str, int]
) -> None:
    out = Out(database, dial(contact_hours=OWN), dial("1043", on=("lead.updated",)), sandbox=sandbox)
    out.put(leads(3))
    out.put(leads(2, first=10), lane=BULK)
    out.put([lead(20, type="lead.updated")])
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    out.drain()
    rows = out.deliveries()
    assert [row.state for row in rows] == ["pending"] * 5 + ["delivered"], "only the route with hours waits"
    assert {row.due_at for row in rows[:5]} == {clock["until"]}
    assert all(row.reason_code == Code.HOURS_HELD for row in rows[:5])
    answer = out.claim()
    assert isinstance(answer, Wait) and answer.seconds is not None and 3500 < answer.seconds <= 3600
    out.later(3601)
    clock["until"] = 0
    out.drain()
    assert out.states() == {"delivered": 6}
    assert [row["tel1"] for row in sandbox.wolkvox.rows("1042")] == [
        f"3{number:09d}" for number in (1, 2, 3, 10, 11)
    ], "the oldest first"


def test_what_expires_while_it_is_held_says_so(database: Database, sandbox: Sandbox, clock: dict[str, int]) -> None:
    out = Out(database, dial(contact_hours=OWN, expires_after_s=1800), sandbox=sandbox)
    out.put(leads(2))
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    out.drain()
    out.later(3601)
    clock["until"] = 0
    out.drain()
    assert {(row.state, row.reason_code) for row in out.deliveries()} == {("suppressed", Code.EXPIRED_HOURS)}


def test_many_that_wait_for_the_morning_cost_later_claims_nothing(
    database: Database, sandbox: Sandbox, clock: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours_guard, "HELD_AT_ONCE", 100)
    out = Out(database, dial(contact_hours=OWN), sandbox=sandbox)
    out.put(leads(250))
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    waits = [out.claim() for _ in range(4)]
    assert [answer.seconds == 0 for answer in waits if isinstance(answer, Wait)] == [True, True, True, False]
    assert isinstance(out.claim(), Wait) and out.attempts() == []
    assert {row.attempts for row in out.deliveries()} == {""}, "none was a member of anything"


def test_an_open_route_goes_on_while_another_to_the_same_campaign_is_closed(
    database: Database, sandbox: Sandbox, clock: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours_guard, "HELD_AT_ONCE", 3)
    closed, open_ = dial(contact_hours=OWN, name="closed"), dial(name="open", on=("lead.updated",))
    out = Out(database, closed, open_, sandbox=sandbox)
    out.put([lead(number, type="lead.updated") for number in range(1, 5)])
    out.put(leads(3, first=10))
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    assert len(out.drain()) == 1, "the backlog that is open goes at once, and what is closed is taken out of its batch"
    assert out.states() == {"delivered": 4, "pending": 3}
    held = out.deliveries("pending")
    assert {(row.due_at, row.attempts) for row in held} == {(clock["until"], "")}
    assert all(row.reason_code == Code.HOURS_HELD for row in held)
    assert [row.records for row in out.attempts()] == [4]


def test_a_refused_batch_is_not_split_further_outside_the_hours(database: Database, clock: dict[str, int]) -> None:
    out = Out(database, dial(contact_hours=OWN))
    out.works()
    out.put(leads(4))
    out.settle(out.claimed(), outbound_steps.refused())
    assert {row.lane for row in out.deliveries()} == {lanes.LIVE_SPLIT}
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    while (answer := out.claim()) == Wait(0, "what was due is held until its contact hours; look again"):
        pass
    assert isinstance(answer, Wait) and {row.due_at for row in out.deliveries()} == {clock["until"]}
    out.later(3601)
    clock["until"] = 0
    halves = [out.claimed(), out.claimed()]
    with database.read() as conn:
        assert [len(outbox.members(conn, half.attempt.id)) for half in halves] == [2, 2], "halved as before"


def test_a_call_is_not_repeated_at_once_when_a_guard_came_between(database: Database, clock: dict[str, int]) -> None:
    out = Out(database, dial(contact_hours=OWN))
    out.put(leads(2))
    claimed, line = out.claimed(), out.lines["dialler"]
    with database.read() as conn:
        before = Claim(claimed.attempt, outbox.members(conn, claimed.attempt.id))
        clock["until"] = now_ms(conn) + 3_600_000

    def again() -> Claim | Wait:
        with pytest.raises(_GiveUp) as end, database.write(serialise="dialler") as conn:
            raise _GiveUp(claims.again(conn, line.account, before, line.places))
        answer: Claim | Wait = end.value.args[0]
        return answer

    assert isinstance(again(), Wait), "the hours ended"
    clock["until"] = 0
    assert isinstance(again(), Claim)
    refuse(out, "+573000000001")
    assert isinstance(again(), Wait), "somebody was put on the list"
    assert out.states() == {"sending": 2}


class _GiveUp(Exception):  # noqa: N818 - so that the transaction leaves nothing
    pass


def test_what_counts_is_when_a_survey_leaves(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    later = {"campaign_code": "52", "schedule": "+2h", "tags": {}}
    place = Out(database, survey(options=later, contact_hours=contact_hours.PRESETS["CO"])).places["surveys"]
    [survey_place] = place.values()
    assert hours_guard.closed(survey_place, at("2026-11-27T05:00")) == {}
    assert hours_guard.closed(survey_place, at("2026-11-27T16:59")) == {}
    until, why = hours_guard.closed(survey_place, at("2026-11-27T17:00"))["survey"]
    assert until == at("2026-11-28T06:00") and str(why).startswith("held until Saturday 2026-11-28 06:00")
    assert why.code is Code.HOURS_HELD


def holding(database: Database, clock: dict[str, int], count: int) -> Out:
    """So many leads, held for an hour."""
    out = Out(database, dial(contact_hours=OWN))
    out.put(leads(count))
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    assert isinstance(out.claim(), Wait)
    return out


def test_other_hours_free_what_was_held_by_the_old_ones(database: Database, clock: dict[str, int]) -> None:
    out = holding(database, clock, 1)
    clock["until"] += 3_600_000
    out = Out(database, dial(contact_hours=OWN))
    assert out.deliveries()[0].due_at == clock["until"]
    out = Out(database, dial())
    assert out.claimed().attempt.kind == "send"


def test_who_expires_after_the_hours_began_was_not_kept_by_them(database: Database, clock: dict[str, int]) -> None:
    out = Out(database, dial(contact_hours=OWN, expires_after_s=7200))
    out.put(leads(1))
    with database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    assert isinstance(out.claim(), Wait)
    out.later(8000)
    clock["until"] = 0
    assert isinstance(out.claim(), Wait)
    assert [row.reason_code for row in out.deliveries("suppressed")] == [Code.EXPIRED]


# --- the do-not-contact list ----------------------------------------------------------------------------------------


def refuse(out: Out, *values: str) -> None:
    with out.database.write() as conn:
        entries = [Entry(str(out.router.contact_hash(value)), "…", "", now_ms(conn)) for value in values]
        assert suppression_list.add(conn, entries) == len(entries)


def test_whoever_is_on_the_list_is_not_dialled_by_any_of_their_phones_or_e_mails(
    database: Database, sandbox: Sandbox
) -> None:
    out = Out(database, dial(), sandbox=sandbox)
    second = Phone(57, "6012345678")
    out.put(
        [
            lead(1),
            lead(2, phones=(Phone(57, "3000000002"), second)),
            lead(3, email="Ana.3@Example.com"),
            lead(4),
            lead(5, callback_phone=Phone(57, "3110000005")),
        ]
    )
    refuse(out, "+573000000004", second.e164, "ana.3@example.com", "+573110000005")
    out.drain()
    assert [row.state for row in out.deliveries()] == [
        *("delivered", "suppressed", "suppressed", "suppressed", "suppressed")
    ]
    assert {row.reason_code for row in out.deliveries("suppressed")} == {Code.LISTED}
    assert len(sandbox.wolkvox.rows("1042")) == 1


def test_the_list_holds_for_bulk_and_for_surveys_and_not_for_notes(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, dial(), survey(), note(), sandbox=sandbox)
    out.put([lead(1)], lane=BULK)
    out.put([ticket(1), ticket(2), ticket(3, type="ticket.updated", answer_id=6805511)])
    refuse(out, "+573000000001", "zoe.1@example.com", "zoe.3@example.com")
    out.drain()
    out.drain("surveys")
    assert [row.state for row in out.deliveries()][:3] == ["suppressed", "suppressed", "delivered"]
    assert out.deliveries()[3].reason_code != Code.LISTED


def test_who_was_put_on_the_list_while_waiting_for_a_second_try_is_not_sent(database: Database) -> None:
    out = Out(database, dial())
    out.put(leads(2))
    claimed = out.claimed()
    refuse(out, "+573000000001")
    out.settle(
        claimed, outbound_steps.Outcome(attempt="not_sent", verdict=outbound_steps.Verdict(outbound_steps.Fate.AGAIN))
    )
    assert out.claimed().attempt.kind == "send"
    assert [row.state for row in out.deliveries()] == ["suppressed", "sending"]


def test_a_copy_takes_the_place_of_one_who_is_on_the_list_unless_it_is_as_well(database: Database) -> None:
    out = Out(database, dial(once_per=once()))
    not_sent = outbound_steps.Outcome(attempt="not_sent", verdict=outbound_steps.Verdict(outbound_steps.Fate.AGAIN))
    out.put([lead(1, email="ana@example.com"), lead(1, id="copy"), lead(1, id="second copy")])
    out.settle(out.claimed(), not_sent)
    assert [row.state for row in out.deliveries()] == ["pending", "suppressed", "suppressed"]
    refuse(out, "ana@example.com")
    assert isinstance(out.claim(), Wait), "the first is on the list by its e-mail, the copies are not"
    out.settle(out.claimed(), not_sent)
    assert [row.state for row in out.deliveries()] == ["suppressed", "suppressed", "pending"]
    refuse(out, "+573000000001")
    answers = [out.claim() for _ in range(3)]
    assert [answer.seconds for answer in answers if isinstance(answer, Wait)] == [0, 0, None], "and there it ends"
    assert {row.reason_code for row in out.deliveries("suppressed")} == {Code.LISTED}
    assert out.states() == {"suppressed": 3}


def test_ten_thousand_rows_meet_a_long_list_in_one_statement(database: Database) -> None:
    out = Out(database, dial())
    out.put(leads(2000))
    with database.write() as conn:
        suppression_list.add(conn, [Entry(f"{number:032x}", "…", "", 1) for number in range(20_000)])
    refuse(out, "+573000001000")
    assert out.claimed().attempt.kind == "send"
    assert out.states() == {"sending": 1999, "suppressed": 1}


def test_an_entry_is_added_once_and_can_be_taken_off(database: Database) -> None:
    with database.write() as conn:
        assert suppression_list.add(conn, [Entry("a", "+57…01", "asked", 5)]) == 1
        assert suppression_list.add(conn, [Entry("a", "+57…01", "again", 6), Entry("b", "+57…02", "", 7)]) == 1
        assert [(one.hash, one.reason) for one in suppression_list.entries(conn)] == [("b", ""), ("a", "asked")]
        assert (suppression_list.remove(conn, "a"), suppression_list.remove(conn, "a")) == (True, False)


# --- the 90-day rule ------------------------------------------------------------------------------------------------


def rule(**values: Any) -> Any:
    return survey(options={"campaign_code": "52", "schedule": "now", "tags": {}, "ninety_day_rule": True}, **values)


def test_only_whom_the_vendor_agrees_to_is_surveyed(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, survey(), sandbox=sandbox)
    out.put([ticket(1)])
    out.drain("surveys")
    out = Out(database, rule(name="with rule"), sandbox=sandbox)
    out.put([ticket(number, id=f"U-{number}") for number in (1, 2, 3)])
    assert {row.lane for row in out.deliveries("pending")} == {LIVE_CHECK}
    made = out.drain("surveys")
    assert [claim.attempt.kind for claim in made] == ["precheck", "precheck", "precheck", "send"], (
        "the agreed go together"
    )
    found = {row.event: (row.state, row.reason_code) for row in out.deliveries() if row.route == "with rule"}
    assert [state for state, _ in found.values()] == ["suppressed", "delivered", "delivered"]
    assert next(iter(found.values()))[1] == Code.NINETY_DAYS
    assert len(sandbox.tracksale.customers(52)) == 3


def test_those_agreed_to_do_not_wait_for_ever_for_the_others(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(number) for number in range(1, 6)])
    out.step("surveys")
    with database.write() as conn:
        past = now_ms(conn) - claims.CHECKED_WAIT_MS - 1000
        conn.execute(tables.deliveries.update().where(tables.deliveries.c.lane == 0).values(due_at=past))
    assert out.claimed("surveys").attempt.kind == "send"


def test_a_word_that_grew_old_is_asked_for_again(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(1)])
    out.step("surveys")
    assert out.deliveries()[0].lane == 0
    out.later(3601)
    out.drain("surveys")
    assert out.kinds() == [("precheck", "accepted"), ("precheck", "accepted"), ("send", "accepted")]


def test_a_word_grows_old_however_often_the_dispatch_is_put_off(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(1)])
    out.step("surveys")
    sandbox.fault("tracksale.dispatch", kind="status", status=429, times=3)
    for _ in range(3):
        out.drain("surveys")
        out.resume("surveys")
        out.later(1300)
    out.drain("surveys")
    kinds = [kind for kind, _ in out.kinds()]
    assert kinds == ["precheck", "send", "send", "send", "precheck", "send"]
    assert out.states() == {"delivered": 1}
    assert out.deliveries()[0].attempts.count(",") == len(kinds), "and none that was never begun"


def test_nothing_is_sent_that_was_never_asked_about(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(1)])
    with database.write() as conn:  # as another version, or a hand, might leave it
        conn.execute(tables.deliveries.update().values(lane=0))
    out.drain("surveys")
    assert [kind for kind, _ in out.kinds()] == ["precheck", "send"]


def test_questions_leave_calls_for_what_is_to_be_sent(database: Database, sandbox: Sandbox) -> None:
    account = outbound_steps.surveys(sandbox.url, requests_per_window=40)  # of which 2 are kept
    out = Out(database, rule(), note(), accounts=[account])
    out.put([ticket(number) for number in range(1, 61)], lane=BULK)
    made = out.drain("surveys", most=40)
    asked = [claim.attempt.kind for claim in made].count("precheck")
    assert asked <= 36 and "send" in [claim.attempt.kind for claim in made], (
        "bulk leaves what its questions and live need"
    )
    answer = out.claim("surveys")
    assert isinstance(answer, Wait) and "the last 4 of 40 calls are kept for" in answer.why
    out.put([ticket(100)])
    kinds = [claim.attempt.kind for claim in out.drain("surveys", most=4)]
    assert kinds[:2] == ["precheck", "send"], "a live one is asked about and sent with what is left"


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        ({"kind": "captcha_405"}, "blocked", "CAPTCHA"),
        ({"kind": "status", "status": 401}, "blocked", "401"),
        ({"kind": "status", "status": 503}, "open", ""),
        ({"kind": "cut"}, "open", ""),
        ({"kind": "garbage_json"}, "open", ""),
    ],
)
def test_a_fault_of_the_question_costs_no_record(
    database: Database, sandbox: Sandbox, fault: dict[str, Any], state: str, reason: str
) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(1)])
    sandbox.fault("tracksale.can_impact", **fault)
    out.step("surveys")
    assert [(row.state, row.lane) for row in out.deliveries()] == [("pending", LIVE_CHECK)]
    account = out.account("surveys")
    assert account.state == state and reason in str(account.reason or "")
    out.resume("surveys")
    out.later(120)
    out.drain("surveys")
    assert out.states() == {"delivered": 1}


def test_a_worker_that_died_while_asking_leaves_the_question_to_another(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(1)])
    assert out.claimed("surveys").attempt.kind == "precheck"
    out.later(10)
    out.drain("surveys")
    assert out.states() == {"delivered": 1}


def test_guards_come_before_the_question_as_each_costs_a_call(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(once_per=once()), sandbox=sandbox)
    phone = Phone(57, "3000000001")
    customer = Customer(name="Zoë", phone=phone, email="zoe.1@example.com")
    out.put([ticket(1, customer=customer), ticket(2, customer=customer), ticket(3)])
    refuse(out, "zoe.3@example.com")
    out.drain("surveys")
    assert [row.state for row in out.deliveries()] == ["delivered", "suppressed", "suppressed"]
    assert [kind for kind, _ in out.kinds()] == ["precheck", "send"]


def test_those_whom_guards_end_before_the_question_are_ended_together(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    late = datetime.now(UTC) - timedelta(days=8)
    out.put([ticket(number, time=late) for number in range(1, 301)])
    out.put([ticket(number) for number in range(301, 303)])
    answer = out.claim("surveys")
    assert isinstance(answer, Wait) and answer.seconds == 0
    assert out.states() == {"suppressed": 300, "pending": 2}
    assert {row.attempts for row in out.deliveries("pending")} == {""}
    out.drain("surveys")
    assert out.states() == {"suppressed": 300, "delivered": 2}


def test_bulk_is_asked_about_behind_what_is_live(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, rule(), sandbox=sandbox)
    out.put([ticket(1)], lane=BULK)
    out.put([ticket(2)])
    assert [row.lane for row in out.deliveries()] == [BULK_CHECK, LIVE_CHECK]
    claimed = out.claimed("surveys")
    assert out.deliveries("sending")[0].lane == LIVE_CHECK
    out.make(claimed)
    out.drain("surveys")
    assert out.states() == {"delivered": 2}


def test_a_route_that_gives_the_rule_up_frees_what_waits_to_be_asked_about(
    database: Database, sandbox: Sandbox
) -> None:
    Out(database, rule(), sandbox=sandbox).put([ticket(1)])
    out = Out(database, survey(), sandbox=sandbox)
    out.drain("surveys")
    assert out.states() == {"delivered": 1}
    assert [kind for kind, _ in out.kinds()] == ["send"]


def test_every_way_to_a_person_is_kept_as_a_hash_only(database: Database) -> None:
    out = Out(database, dial())
    out.put([lead(1), lead(2, email="ana@example.com")])
    with database.read() as conn:
        rows = conn.execute(select(tables.records.c.contact, tables.records.c.contacts)).all()
    assert rows[0].contacts is None
    assert rows[1].contacts.count('"') == 4 and rows[1].contact in rows[1].contacts
    assert "ana" not in rows[1].contacts


# --- what a person is told ------------------------------------------------------------------------------------------


def told(out: Out, row: Any) -> dict[str, Any]:
    (event,) = explain_event(out.database, out.settings, f"d{row.id}")["events"]
    (one,) = event["deliveries"]
    return one


def backlog(out: Out) -> dict[str, Any]:
    (one,) = (one for one in read_status(out.database, out.settings)["destinations"] if one["pending"])
    return one


def test_a_held_delivery_is_told_of_until_when_and_why(database: Database, clock: dict[str, int]) -> None:
    out = holding(database, clock, 2)
    one = told(out, out.deliveries()[0])
    assert one["now"].startswith("waiting (held until ") and "outside the contact hours (its own)" in one["now"]
    assert (backlog(out)["held"], backlog(out)["held_until"]) == (2, iso(clock["until"]))


def test_the_questions_to_the_vendor_are_part_of_the_story(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, survey(), sandbox=sandbox)
    out.put([ticket(1)])
    out.drain("surveys")
    out = Out(database, rule(name="with rule"), sandbox=sandbox)
    out.put([ticket(number, id=f"U-{number}") for number in (1, 2)])
    waiting = told(out, out.deliveries("pending")[0])
    assert "the vendor is asked first whether it may be sent" in waiting["now"]
    assert backlog(out)["to_be_asked_about"] == 2
    out.drain("surveys")
    refused, sent = (told(out, row) for row in out.deliveries() if row.route == "with rule")
    assert "asked first whether it may be sent" in refused["story"][-1]["said"]
    assert refused["story"][-1]["said"].endswith("it answered (asked too recently)")
    assert "ninety_day_rule" in refused["now"]
    assert [line["said"].rpartition(": ")[2] for line in sent["story"]][1] == "it answered (may be asked)"


def test_who_is_on_the_list_is_told_of_without_being_named(database: Database) -> None:
    out = Out(database, dial())
    out.put(leads(1))
    refuse(out, "+573000000001")
    assert isinstance(out.claim(), Wait)
    one = told(out, out.deliveries()[0])
    assert one["now"].endswith(": on the do-not-contact list")
    assert "connector suppress remove" in one["next"][0] and "connector replay" in one["next"][0]
    assert "3000000001" not in str(one)


def test_status_counts_whom_each_guard_kept_from_being_sent(database: Database, sandbox: Sandbox) -> None:
    out = Out(database, dial(once_per=once()), rule(), sandbox=sandbox)
    late = datetime.now(UTC) - timedelta(days=8)
    out.put([lead(1), lead(1, id="copy"), lead(2, id="late", time=late), lead(3), ticket(1), ticket(1, id="again")])
    refuse(out, "+573000000003")
    out.drain()
    out.drain("surveys")
    found = read_status(database, out.settings)["suppressed_24h"]
    assert (found["expires_after"], found["do_not_contact"], found["once_per"]) == (1, 1, 1)
    assert out.states()["suppressed"] == sum(found.values()) + 1, "and one that Tracksale called a duplicate"


def test_a_route_tells_its_guards(database: Database) -> None:
    route = rule(once_per=once(), contact_hours=contact_hours.PRESETS["CO"])
    assert guarded.of_route(route) == [
        "expires_after: not later than 168 h after its event",
        "contact_hours: CO: weekdays 07:00-19:00, saturday 08:00-15:00, never on sunday and holidays",
        "ninety_day_rule: the vendor is asked first whether the customer was surveyed lately",
        "once_per: one for each phone within 24 h",
    ]


# --- what a person sends again --------------------------------------------------------------------------------------


@pytest.fixture
def asking(store: str, database: Database, sandbox: Sandbox) -> World:
    """From payloads to vendors, with the rule on its surveys and contact hours on its calls."""
    settings = settings_for(store, sandbox.url)
    dialling, surveying, *others = settings.routes
    surveying = replace(surveying, options={**surveying.options, "ninety_day_rule": True})
    routes = (replace(dialling, contact_hours=OWN), surveying, *others)
    return World(replace(settings, routes=routes), database)


def replayed(world: World, row: Any) -> None:
    wish = Wish(ended_too=True, late_too=True)
    assert [change.action for change in Replay(world.settings, world.database, BY).delivery(row.id, wish)] == ["renew"]


def test_a_replayed_survey_is_asked_about_again(asking: World, sandbox: Sandbox) -> None:
    asking.receive("tickets", connector_steps.ticket(1))
    asking.drain("surveys")
    again = connector_steps.ticket(1) | {"id": "T-again"}
    asking.receive("tickets", again)
    asking.drain("surveys")
    assert [row.state for row in asking.deliveries()] == ["delivered", "suppressed"]
    replayed(asking, asking.deliveries()[1])
    assert asking.deliveries()[1].lane == LIVE_CHECK
    asking.drain("surveys")
    assert asking.deliveries()[1].reason_code == Code.NINETY_DAYS, (
        "a person may ask for it, and the vendor still says no"
    )
    assert [kind for kind, _ in asking.kinds()] == ["precheck", "send", "precheck", "precheck"]


def test_what_a_person_resolves_later_is_asked_about_again(asking: World, sandbox: Sandbox) -> None:
    asking.receive("tickets", connector_steps.ticket(1))
    asking.step("surveys")
    sandbox.fault("tracksale.dispatch", kind="cut")
    asking.step("surveys")
    (row,) = asking.deliveries("uncertain")
    asking.later(3601)
    assert resolve(asking.settings, asking.database, row.id, BY, landed=False)
    asking.resume("surveys")
    made = asking.drain("surveys")
    assert [claim.attempt.kind for claim in made if claim.attempt.kind != "probe"] == ["precheck", "send"]
    assert asking.states() == {"delivered": 1}


def test_a_replay_is_held_and_kept_from_who_is_on_the_list_too(asking: World, clock: dict[str, int]) -> None:
    asking.receive("landing", connector_steps.lead(1), connector_steps.lead(2))
    with asking.database.write() as conn:
        conn.execute(tables.deliveries.update().values(state="dead", reason_code="vendor.refused"))
        clock["until"] = now_ms(conn) + 3_600_000
    for row in asking.deliveries():
        replayed(asking, row)
    assert isinstance(asking.claim(), Wait)
    assert {row.due_at for row in asking.deliveries()} == {clock["until"]}
    refuse(asking, "+573000000001")
    asking.later(3601)
    clock["until"] = 0
    asking.drain()
    assert [(row.state, row.reason_code) for row in asking.deliveries()] == [
        ("suppressed", Code.LISTED),
        ("delivered", None),
    ]


def test_a_file_is_imported_into_the_same_guards(
    asking: World, sandbox: Sandbox, clock: dict[str, int], tmp_path: Path
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("id,type,phone\nL-1,lead.created,3000000001\nL-2,lead.created,3000000002\n", encoding="utf-8")
    source = asking.settings.sources["landing"]
    with (
        formats.opened(file, "") as given,
        closing(Bulk(asking.settings, source, asking.database, name_of)) as importing,
    ):
        assert [tally.rows for tally in importing.take(formats.reading(given, source, ""))][-1] == 2
    refuse(asking, "+573000000002")
    with asking.database.read() as conn:
        clock["until"] = now_ms(conn) + 3_600_000
    assert isinstance(asking.claim(), Wait)
    assert {(row.lane, row.due_at) for row in asking.deliveries()} == {(BULK, clock["until"])}
    asking.later(3601)
    clock["until"] = 0
    asking.drain()
    assert sorted(row.state for row in asking.deliveries()) == ["delivered", "suppressed"]
