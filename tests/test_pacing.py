"""The day's calls, spread: as quick as the budget allows, never more than it, on the first day as on every other."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import pacing
from connector.core.pacing import RATE_GOOD_MS, STEPS, Credit
from connector.core.settings import WorkingHours
from connector.core.times import DAY_MS, HOUR_MS
from connector.store.accounts import UsageReport
from connector.store.database import Database
from tests import outbound_steps
from tests.simulation import SEVEN, Call, Played, Stored, steadily

store, database = outbound_steps.store, outbound_steps.database

HOURS = WorkingHours()
ENDLESS = 10**9


def days(number: int, of: int, *, begins_h: float = 0, ends_h: float = 12, seed: int = 1) -> list[int]:
    """So many leads on each of so many days, between hours after 07:00."""
    rng = random.Random(seed)
    each = [(SEVEN + day * DAY_MS + int(begins_h * HOUR_MS), int((ends_h - begins_h) * HOUR_MS)) for day in range(of)]
    return [at for start, length in each for at in steadily(rng, start, start + length, number)]


def at_once(calls: list[Call]) -> float:
    return sum(call.waited_ms == 0 for call in calls) / len(calls)


# --- a day, and the days after --------------------------------------------------------------------------------------


@pytest.mark.parametrize("licences", [1, 5, 10])
def test_under_full_load_every_day_uses_the_budget_and_never_more(licences: int) -> None:
    """Live leads all day, and a backlog that never ends."""
    played = Played(licences, bulk=ENDLESS)
    played.run(SEVEN + 3 * DAY_MS, days(played.budget // 2, 3))
    assert played.most_in_a_day() <= played.budget
    for day in range(3):
        begins = SEVEN + day * DAY_MS
        used = played.made(begins, begins + DAY_MS)
        assert 0.99 * played.budget <= len(used) <= played.budget
        live = [call for call in used if call.kind == "live"]
        assert at_once(live) > 0.9
        hours = [len(played.made(begins + one * HOUR_MS, begins + (one + 1) * HOUR_MS)) for one in range(1, 12)]
        assert max(hours) <= 1.25 * min(hours), f"day {day} is uneven: {hours}"


def test_what_one_day_spent_in_a_lump_is_spread_out_by_the_days_after() -> None:
    """The backlog comes at 15:00 of the first day: no day after it begins with nothing left."""
    played = Played(1, bulk=ENDLESS, now=SEVEN + 8 * HOUR_MS)
    played.run(SEVEN + 4 * DAY_MS, [at for at in days(400, 4) if at > SEVEN + 8 * HOUR_MS])
    assert played.most_in_a_day() <= played.budget
    assert max(call.waited_ms for call in played.calls) < 120_000
    last = [len(played.made(*(SEVEN + 3 * DAY_MS + one * HOUR_MS for one in (hour, hour + 1)))) for hour in range(12)]
    assert max(last) <= 1.25 * min(last), last


def test_more_leads_than_calls_leave_together_and_none_waits_long() -> None:
    """3,000 leads a day and a thousand calls: three in a call, a minute apart, until the evening."""
    played = Played(1)
    played.run(SEVEN + 3 * DAY_MS, days(3_000, 3))
    assert played.most_in_a_day() <= played.budget
    for day in range(3):
        begins = SEVEN + day * DAY_MS
        calls = played.made(begins, begins + 12 * HOUR_MS)
        assert len(calls) > 0.94 * played.budget, "the rest is for the night"
        assert max(call.waited_ms for call in calls) < 70_000
        assert sum(call.rows for call in calls) > 2_900
        assert len(played.made(begins + 11 * HOUR_MS, begins + 12 * HOUR_MS)) > 50, "there are calls left at the end"


@pytest.mark.parametrize("licences", [1, 5, 10])
def test_a_light_load_leaves_at_once(licences: int) -> None:
    """Leads for half the budget, day and night, and an import now and then."""
    played = Played(licences)
    for day in range(3):
        played.bulk += 20 * licences
        begins = SEVEN + day * DAY_MS
        leads = steadily(random.Random(day), begins, begins + DAY_MS, played.budget * 0.4)
        played.run(begins + DAY_MS, leads)
        live = played.made(begins, begins + DAY_MS, "live")
        # Two are in flight already: a second is all that anybody waits for.
        assert max(call.waited_ms for call in live) <= 1_000
        bulk = played.made(begins, begins + DAY_MS, "bulk")
        assert len(bulk) == 20 * licences and bulk[-1].started < begins + 60_000 * licences


@pytest.mark.parametrize("licences", [1, 10])
def test_a_lead_that_comes_alone_leaves_at_once_whenever_a_call_is_in_hand(licences: int) -> None:
    played = Played(licences, bulk=ENDLESS)
    rng = random.Random(7)
    tried = 0
    while played.now < SEVEN + (3 if licences == 1 else 2) * DAY_MS:
        played.run(played.now + rng.randint(1, 1_800_000))
        played.waiting.append(played.now)
        room, credit = played.room(), played.credit
        assert credit is not None
        in_hand = min(room.left, pacing.capped(credit, room.budget, room.left).live)
        if in_hand < 1 or room.in_flight.calls:
            played.waiting.clear()
            continue
        tried += 1
        calls = [played.look()]
        if isinstance(calls[0], Call) and calls[0].kind == "bulk":  # every tenth is; there is a second slot beside it
            calls.append(played.look())
        assert isinstance(calls[-1], Call)
        assert (calls[-1].kind, calls[-1].waited_ms) == ("live", 0)
    assert tried > 100


def test_a_morning_burst_of_50_000_leads_is_five_calls() -> None:
    played = Played(1)
    played.run(SEVEN + HOUR_MS, [SEVEN] * 50_000)
    assert [call.rows for call in played.calls] == [10_000] * 5
    assert played.calls[-1].started - SEVEN <= 3_000


def test_probes_are_never_starved() -> None:
    """Under a load of everything that would take three times the budget, a question every few minutes."""
    played = Played(1, bulk=ENDLESS)
    questions = days(100, 3, seed=5)
    played.run(SEVEN + 3 * DAY_MS, days(3_000, 3), questions)
    probes = [call for call in played.calls if call.kind == "probe"]
    assert len(probes) == len(questions)
    assert played.most_in_a_day() <= played.budget
    assert at_once(probes) > 0.9
    assert max(call.waited_ms for call in probes) < 120_000


def test_what_others_use_of_the_token_is_not_used_twice() -> None:
    """Wolkvox told at seven that another program had made 400 of the thousand calls."""
    played = Played(1, bulk=ENDLESS, told=UsageReport(others=400, at=SEVEN, ask_at=SEVEN + DAY_MS))
    played.run(SEVEN + DAY_MS, days(300, 1))
    assert 0.98 * 600 <= len(played.calls) <= 600
    assert at_once([call for call in played.calls if call.kind == "live"]) > 0.9
    last = [len(played.made(SEVEN + one * HOUR_MS, SEVEN + (one + 1) * HOUR_MS)) for one in range(1, 12)]
    assert min(last) > 20, "spread all the same"


# --- the same through the database ----------------------------------------------------------------------------------


def begun(begins_h: float) -> Played:
    """One licence under full load, played until so many hours after seven by the arithmetic alone."""
    played = Played(1, bulk=ENDLESS)
    if begins_h:
        played.run(SEVEN + int(begins_h * HOUR_MS), days(500, 2))
    return played


@pytest.mark.parametrize("begins_h", [0, 24.5])
def test_the_claim_makes_the_very_same_calls(database: Database, begins_h: float) -> None:
    """Call by call: at first, when there is much in hand, and on the second day, when calls become free again."""
    begins, ends = (SEVEN + int(hour * HOUR_MS) for hour in (begins_h, begins_h + 1.5))
    played = begun(begins_h)
    stored = Stored(1, bulk=300, now=begins)
    stored.open(database)
    leads = [at for at in days(500, 2) if begins < at < ends]
    with database.write() as conn:
        stored.begin(conn, played)
        stored.run(ends, leads)
    before = len(played.calls)
    played.run(ends, leads)
    wanted = [(call.started - begins, call.kind) for call in played.calls[before:]]
    assert [(call.started - begins, call.kind) for call in stored.calls] == wanted
    assert len(wanted) > 100


# --- the arithmetic -------------------------------------------------------------------------------------------------

hours = st.builds(
    WorkingHours,
    opens=st.integers(0, 1439),
    closes=st.integers(1, 1440),
    zone=st.sampled_from([ZoneInfo(name) for name in ("America/Bogota", "America/Santiago", "UTC", "Asia/Kolkata")]),
).filter(lambda hours: hours.opens != hours.closes)
moments = st.integers(SEVEN - 400 * DAY_MS, SEVEN + 400 * DAY_MS)
credits = st.builds(
    Credit, live=st.floats(0, 250), bulk=st.floats(-5, 150), at=moments, rate=st.floats(0, 1e-3), rate_at=st.just(0)
)
freed = st.lists(st.integers(0, 300), min_size=STEPS, max_size=STEPS)


@given(hours, moments, st.integers(-5, 1_000), freed)
def test_a_rate_can_be_sustained_until_tomorrow(hours: WorkingHours, now: int, left: int, frees: list[int]) -> None:
    rate = pacing.rate(hours, now, left, frees) / pacing.HASTE
    assert rate >= 0
    for step in range(1, STEPS + 1):
        made = rate * pacing.worked_ms(hours, now, now + step * pacing.STEP_MS)
        assert made <= max(0, left + sum(frees[:step])) + 1e-6
    assert pacing.rate(hours, now, left + 1, frees) >= rate


@given(credits, hours, st.integers(0, 2 * DAY_MS), st.integers(0, 2 * DAY_MS), st.integers(0, 1_000))
def test_what_is_in_hand_grows_with_time_and_what_is_left_and_never_beyond(
    credit: Credit, hours: WorkingHours, soon: int, later: int, left: int
) -> None:
    first, second = sorted([credit.at + soon, credit.at + later])
    before, after = (pacing.grown(credit, 1_000, left, hours, moment) for moment in (first, second))
    assert before.live <= after.live <= 250 and before.bulk <= after.bulk <= 150
    assert after.live <= max(1, left / 2) and after.bulk <= max(1, left / 3)
    richer = pacing.grown(credit, 1_000, left + 1, hours, first)
    assert richer.live >= before.live and richer.bulk >= before.bulk


@given(credits, hours, st.booleans())
def test_who_waits_as_long_as_told_has_a_call_in_hand_or_looks_again(
    credit: Credit, hours: WorkingHours, bulk: bool
) -> None:
    wait = pacing.wait_ms(credit, hours, bulk=bulk)
    has = credit.bulk if bulk else credit.live
    assert (wait == 0) == (has >= 1)
    assert wait <= DAY_MS
    if 0 < wait < DAY_MS and credit.rate > 0:
        then = credit.at + wait
        assert has + credit.rate * pacing.worked_ms(hours, credit.at, then) >= 1 - 1e-6
        assert has + credit.rate * pacing.worked_ms(hours, credit.at, then - 2) < 1 + 1e-6
    assert pacing.wait_ms(replace(credit, rate=credit.rate * 2), hours, bulk=bulk) <= max(wait, RATE_GOOD_MS)


@given(credits, st.booleans())
def test_a_call_costs_whoever_makes_it_and_bulk_always(credit: Credit, bulk: bool) -> None:
    after = credit.after(1_000, bulk=bulk)
    assert after.live == (credit.live if bulk else max(0, credit.live - 1))
    assert after.bulk == max(-5, credit.bulk - 1)


@given(hours, moments, st.integers(0, DAY_MS), st.integers(0, DAY_MS))
def test_working_time_adds_up_and_runs_slowly_outside(hours: WorkingHours, start: int, first: int, second: int) -> None:
    middle, end = start + first, start + first + second
    parts = pacing.worked_ms(hours, start, middle) + pacing.worked_ms(hours, middle, end)
    assert pacing.worked_ms(hours, start, end) == pytest.approx(parts, abs=1e-3)
    assert pacing.NIGHT * (end - start) - 1 <= parts <= end - start + 1


@pytest.mark.parametrize(
    ("zone", "day", "opens", "closes", "worked_h"),
    [
        ("America/Bogota", (2026, 11, 20), 420, 1140, 12.6),
        ("America/Bogota", (2026, 11, 20), 1320, 360, 8.8),  # the night shift
        ("America/Bogota", (2026, 11, 20), 0, 1440, 24.0),
        ("America/Santiago", (2026, 9, 6), 0, 360, 5.9),  # the clock is put forward at midnight: an hour less
        ("America/Santiago", (2026, 4, 4), 1320, 1440, 4.1),  # and back: an hour more
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall(
    zone: str, day: tuple[int, int, int], opens: int, closes: int, worked_h: float
) -> None:
    midnight = datetime(*day, tzinfo=ZoneInfo(zone))
    start, end = (int(moment.timestamp() * 1000) for moment in (midnight, midnight + timedelta(days=1)))
    worked = pacing.worked_ms(WorkingHours(opens, closes, ZoneInfo(zone)), start, end)
    assert worked / HOUR_MS == pytest.approx(worked_h, abs=0.051)
