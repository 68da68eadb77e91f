"""What people do at the console: each act shows first what it does, is on record, and is refused by role."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select, update

from connector.admin import plans, reveal
from connector.admin.plans import Carrier
from connector.admin.privacy import erase, erase_steps
from connector.console.application import ConsoleApp
from connector.core.reasons import Code, Reason
from connector.core.settings import Settings
from connector.store import plans as stored_plans
from connector.store import reasons, tables
from connector.store.database import Database, now_ms
from tests.connector_steps import World
from tests.test_console import Browser, app, database, one, settings

__all__ = ["app", "database", "settings"]  # fixtures


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    """One lead, not sent yet."""
    made = World(settings, database)
    made.receive("landing", one(7, phones=["315 222 3344"]))
    return made


def stands(world: World, state: str, code: Code = Code.REFUSED) -> None:
    """Lets the delivery be in this state."""
    values = {"state": state, **reasons.columns(Reason(code, {"words": "400 wrong", "status": 400}))}
    with world.database.write() as conn:
        conn.execute(update(tables.deliveries).values(values))


def decided(world: World) -> list[tuple[str, str, str]]:
    with world.database.read() as conn:
        rows = conn.execute(select(tables.acts).order_by(tables.acts.c.id)).all()
    return [(row.who, row.what, row.why) for row in rows]


def state(world: World) -> str:
    return next(iter(world.deliveries())).state


def test_an_account_is_paused_with_a_reason_and_resumed(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "ana")
    assert "No call starts any more" in browser.get("/console/accounts/dialler").text
    assert browser.post("/console/accounts/dialler/pause", why=" ").status_code == 400
    answer = browser.post("/console/accounts/dialler/pause", why="token 3152223344 changes")
    assert answer.headers["Location"] == "/console/accounts/dialler?done=paused"
    assert "The account is paused" in browser.get(answer.headers["Location"]).text
    assert world.account().state == "paused"
    browser.post("/console/accounts/dialler/resume", why="")
    assert world.account().state == "open"
    assert [(who, what) for who, what, _ in decided(world)] == [("ana", "pause"), ("ana", "resume")]
    assert "3152223344" not in decided(world)[0][2]
    assert browser.get("/console/accounts/nobody").status_code == 404


def test_a_dead_delivery_is_sent_again_once_however_often_the_button_is_pressed(app: ConsoleApp, world: World) -> None:
    stands(world, "dead")
    browser = Browser(app, "ana")
    assert "/console/deliveries/d1/replay" in browser.get("/console/events/e1").text
    asked = browser.get("/console/deliveries/d1/replay")
    assert "Send 1" in asked.text and state(world) == "dead"
    answer = browser.post("/console/deliveries/d1/replay", why="mapping corrected")
    assert answer.headers["Location"] == "/console/events/e1?done=replayed#d1"
    assert "It is pending again" in browser.get("/console/events/e1?done=replayed").text
    again = browser.post("/console/deliveries/d1/replay")
    assert again.status_code == 409 and "it is waiting already" in again.text
    assert decided(world) == [("ana", "replay", "mapping corrected")]


def test_a_second_contact_is_an_administrator_s(app: ConsoleApp, world: World) -> None:
    stands(world, "delivered")
    operator, admin = Browser(app, "ana"), Browser(app, "root")
    assert "d1/replay" not in operator.get("/console/events/e1").text
    assert operator.post("/console/deliveries/d1/replay").status_code == 403
    assert state(world) == "delivered"
    assert "contacted a second time" in admin.get("/console/deliveries/d1/replay").text
    assert admin.post("/console/deliveries/d1/replay").status_code == 303
    assert decided(world) == [("root", "resend", "")]


@pytest.mark.parametrize(("how", "becomes"), [("landed", "delivered"), ("absent", "pending")])
def test_an_uncertain_delivery_is_resolved_both_ways(app: ConsoleApp, world: World, how: str, becomes: str) -> None:
    stands(world, "uncertain", Code.UNKNOWN_KEPT)
    browser = Browser(app, "ana")
    assert "contacted twice" in browser.get("/console/deliveries/d1/resolve").text
    assert browser.post("/console/deliveries/d1/resolve", how="maybe").status_code == 400
    assert browser.post("/console/deliveries/d1/resolve", how=how, why="seen there").status_code == 303
    assert state(world) == becomes
    assert browser.post("/console/deliveries/d1/resolve", how=how).status_code == 400
    assert "nothing to resolve" in browser.get("/console/deliveries/d1/resolve").text


def test_a_person_s_data_is_shown_with_a_reason_on_record(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "ana")
    assert "315 222 3344" not in browser.get("/console/events/e1").text
    for form in ({}, {"why": "curious"}, {"why": "other"}):
        assert browser.post("/console/events/e1/reveal", **form).status_code == 400
    shown = browser.post("/console/events/e1/reveal", why="other", words="she calls +57 315 222 3344")
    assert shown.status_code == 200 and "315 222 3344" in shown.text
    (act,) = decided(world)
    assert act[:2] == ("ana", "reveal") and "222" not in act[2]
    assert browser.post("/console/events/e9/reveal", why="test").status_code == 404


def test_nobody_looks_at_more_than_so_many_persons_an_hour(
    app: ConsoleApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reveal, "MOST_AN_HOUR", 1)
    browser = Browser(app, "ana")
    assert browser.post("/console/events/e1/reveal", why="test").status_code == 200
    refused = browser.post("/console/events/e1/reveal", why="test")
    assert refused.status_code == 400 and "315" not in refused.text


def test_a_person_is_put_on_the_list_after_the_page_said_what_ends(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "ana")
    asked = browser.post("/console/do-not-contact", text="315 222 3344", how="ask").text
    assert "is not on the list" in asked and "/console/deliveries/d1" in asked
    added = browser.post("/console/do-not-contact", text="+57 315 2223344", how="add", why="asked for it").text
    assert "is on the list now" in added and "asked for it" in added
    assert "is on the list." in browser.post("/console/do-not-contact", text="3152223344").text
    assert "is off the list now" in browser.post("/console/do-not-contact", text="3152223344", how="remove").text
    wrong = browser.post("/console/do-not-contact", text="nobody")
    assert wrong.status_code == 400 and "neither a phone number nor an e-mail" in wrong.text
    assert [what for _, what, _ in decided(world)] == ["suppress", "unsuppress"]


def test_history_tells_everybody_s_acts_and_a_viewer_their_own(app: ConsoleApp, world: World) -> None:
    assert "Nobody has decided anything yet" in Browser(app, "ana").get("/console/history").text
    Browser(app, "ana").post("/console/accounts/dialler/pause", why="maintenance")
    assert "ana paused dialler: maintenance" in Browser(app, "root").get("/console/history?before=99").text
    viewer = Browser(app, "vera").get("/console/history").text
    assert "maintenance" not in viewer and "You see what you did yourself" in viewer


def test_history_is_narrowed_by_person_act_account_and_time(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "ana")
    browser.post("/console/accounts/dialler/pause", why="maintenance")
    Browser(app, "root").post("/console/accounts/dialler/resume", why="over")
    paused, resumed = "ana paused dialler", "root resumed dialler"
    for narrowed, expected in {
        "": {paused, resumed},
        "who=ana": {paused},
        "what=resume": {resumed},
        "account=dialler&since=24h": {paused, resumed},
        "account=surveys": set(),
        "who=root&what=pause": set(),
        "who=x%40example.com&what=none": {paused, resumed},
    }.items():
        text = browser.get(f"/console/history?{narrowed}").text
        assert {one for one in (paused, resumed) if one in text} == expected, narrowed
        assert "x@example.com" not in text
    with world.database.write() as conn:
        conn.execute(update(tables.acts).values(at=tables.acts.c.at - 25 * 3_600_000))
    assert "Nothing fits." in browser.get("/console/history?since=24h").text


def test_the_list_says_how_many_it_ended_within_a_day(app: ConsoleApp, world: World) -> None:
    assert "It ended 0 deliveries in 24 h." in Browser(app, "ana").get("/console/do-not-contact").text
    ended = {"state": "suppressed", **reasons.columns(Reason(Code.LISTED, {}))}
    with world.database.write() as conn:
        ended |= {"updated_at": now_ms(conn)}
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == 1).values(ended))
    app.snapshot.read(fresh=True)
    assert "It ended 1 delivery in 24 h." in Browser(app, "ana").get("/console/do-not-contact").text


def problem_of(browser: Browser) -> str:
    """The address of the only cause."""
    found = re.search(r"/console/problems/[0-9a-f]{12}", browser.get("/console/problems").text)
    assert found
    return found[0]


def test_what_failed_alike_is_one_cause_and_is_sent_again_as_it_was_shown(app: ConsoleApp, world: World) -> None:
    world.receive("landing", *(one(number) for number in range(20, 23)))
    browser = Browser(app, "ana")
    assert "Nothing failed in this time" in browser.get("/console/problems").text
    stands(world, "dead")
    cause = problem_of(browser)
    assert browser.get(cause).text.count("/console/events/e") == 4
    planned = browser.post(f"{cause}/plan").headers["Location"]
    world.receive("landing", one(30))
    stands(world, "dead")  # one more fails after the plan was made
    shown = browser.get(planned).text
    assert re.search(r"calls that it takes at least</dt><dd>1( of the [\d,]+ left today)?</dd>", shown)
    assert "Send 4" in shown and "What fails from now on is not part of it" in shown
    carrier = Carrier(world.settings, world.database)
    assert carrier.step() > 0 and world.states() == {"dead": 5}, "nothing goes before it is begun"
    for _ in range(2):
        assert browser.post(f"{planned}/begin", why="form corrected").headers["Location"] == planned
    assert carrier.step() == 0 and carrier.step() > 0
    assert world.states() == {"pending": 4, "dead": 1}
    assert "4 of 4" in browser.get(planned).text
    assert {what for _, what, _ in decided(world)} == {"replay"} and len(decided(world)) == 4
    assert browser.get("/console/plans/99").status_code == 404


def test_why_a_plan_left_some_as_they_are_is_told_in_the_reader_s_language(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(20), one(21))
    stands(world, "dead")
    browser = Browser(app, "ana")
    planned = browser.post(f"{problem_of(browser)}/plan").headers["Location"]
    browser.post(f"{planned}/begin", why="form corrected")
    stands(world, "sending")  # since it was planned
    carrier = Carrier(world.settings, world.database)
    carrier.step()
    said = [Browser(app, "ana", language).get(planned).text for language in ("en", "es", "pt")]
    found = [re.findall(r"<li>3 × ([^<]+)</li>", text) for text in said]
    assert [len(each) for each in found] == [1, 1, 1] and len({each[0] for each in found}) == 3, found


def test_problems_are_grouped_by_destination_too(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(20), one(21))
    stands(world, "dead")
    browser, other = Browser(app, "ana"), "surveys/tracksale.dispatch/52/now"
    assert "By destination" not in browser.get("/console/problems").text, "there is one only"
    with world.database.write() as conn:
        [first, *_] = conn.execute(select(tables.deliveries.c.destination)).scalars().all()
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == 2).values(destination=other))
    text = browser.get("/console/problems").text
    assert "By destination" in text and text.count('href="/console/problems/') == 2
    narrowed = browser.get(f"/console/problems?destination={other}").text
    assert narrowed.count('href="/console/problems/') == 1 and first in narrowed and "Show all" in narrowed


def test_a_plan_is_stopped_between_two_steps_and_goes_on_where_another_died(
    app: ConsoleApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "STEP", 1)
    world.receive("landing", one(20), one(21))
    stands(world, "dead")
    browser = Browser(app, "ana")
    planned = browser.post(f"{problem_of(browser)}/plan").headers["Location"]
    browser.post(f"{planned}/begin")
    carrier = Carrier(world.settings, world.database)
    carrier.step()
    with world.database.write() as conn:  # a process takes the next step, and dies before it says so
        assert stored_plans.lease(conn, now_ms(conn)) is not None
    assert carrier.step() > 0, "it is in another's hands"
    with world.database.write() as conn:
        conn.execute(update(tables.plans).values(lease_until=0))
    assert carrier.step() == 0
    browser.post(f"{planned}/stop")
    assert carrier.step() > 0
    assert world.states() == {"pending": 2, "dead": 1}
    text = browser.get(planned).text
    assert "2 of 3" in text and "What it did not reach is as it was" in text


def test_an_old_plan_is_not_begun(app: ConsoleApp, world: World) -> None:
    stands(world, "dead")
    browser = Browser(app, "ana")
    planned = browser.post(f"{problem_of(browser)}/plan").headers["Location"]
    with world.database.write() as conn:
        conn.execute(update(tables.plans).values(made_at=0))
    assert browser.post(f"{planned}/begin").status_code == 400
    assert world.states() == {"dead": 1}


#: Every form that changes or shows something, with what it wants.
ACTS = {
    "/console/accounts/dialler/pause": {"why": "x"},
    "/console/accounts/dialler/resume": {"why": "x"},
    "/console/deliveries/d1/replay": {},
    "/console/deliveries/d1/resolve": {"how": "landed"},
    "/console/events/e1/reveal": {"why": "test"},
    "/console/do-not-contact": {"how": "add", "text": "3152223344"},
    "/console/attempts/a1/resolve": {"how": "landed"},
    "/console/do-not-contact/file": {},
    "/console/do-not-contact/add": {"token": "x"},
    "/console/problems/cause/plan": {},
    "/console/plans/1/begin": {"why": "x"},
    "/console/plans/1/stop": {},
    "/console/queues/landing/redrive": {"number": "1"},
    "/console/history/file": {},
    "/console/erase": {"how": "erase", "text": "3152223344", "why": "x"},
    "/console/lots/look": {"account": "surveys", "campaign": "52", "lot": "1"},
    "/console/lots/fire": {"account": "surveys", "campaign": "52", "lot": "1"},
    "/console/lots/discard": {"account": "surveys", "campaign": "52", "lot": "1"},
}
#: Those of an administrator.
OF_ADMINS = {"/console/erase", "/console/history/file"}
#: What changes nothing is everybody's: reads of vendors' reports, as often as their vendors allow; the
#: simulator; the list as a file, persons masked.
READS = {"/console/campaigns", "/console/surveys", "/console/try", "/console/deliveries/file"}


@pytest.mark.parametrize("path", ACTS)
def test_a_viewer_changes_nothing(app: ConsoleApp, world: World, path: str) -> None:
    stands(world, "uncertain" if "resolve" in path else "dead")
    operator = Browser(app, "ana")
    if "plan" in path:
        cause = problem_of(operator)
        operator.post(f"{cause}/plan")
        path = path.replace("/console/problems/cause", cause)
    before = world.everything()
    answer = Browser(app, "vera").post(path, **ACTS.get(path, {}))
    role = "an administrator" if path in OF_ADMINS else "an operator"
    assert answer.status_code == 403 and f"{role} may do this: you are a viewer" in answer.text
    assert world.everything() == before


@pytest.mark.parametrize("path", ACTS)
def test_an_act_wants_a_form_of_ours(app: ConsoleApp, world: World, path: str) -> None:
    before = world.everything()
    assert Browser(app, "ana").post(path, **ACTS[path], form_token="forged").status_code == 403
    assert world.everything() == before


def test_every_form_that_acts_is_tried(app: ConsoleApp) -> None:
    posted = {rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    free = {"/console/sign-in", "/console/sign-out", "/console/language", "/console/search"}
    tried = {
        rule
        for path in ACTS
        for rule in posted
        if app.url_map.bind("x").match(path, "POST", return_rule=True)[0].rule == rule
    }
    assert posted - free - READS == tried


# --- a person is forgotten ------------------------------------------------------------------------------------------


def test_a_person_is_counted_first_and_then_forgotten_by_an_administrator(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(8))
    admin = Browser(app, "root")
    assert "/console/erase" not in Browser(app, "ana").get("/console/").text
    assert Browser(app, "ana").get("/console/erase").status_code == 403
    wrong = admin.post("/console/erase", text="nobody", how="look")
    assert wrong.status_code == 400 and "neither a phone number nor an e-mail" in wrong.text
    counted = admin.post("/console/erase", text="+57 315 222 3344", how="look")
    assert "1 event would be forgotten" in counted.text and "1 delivery that waits ends unsent" in counted.text
    assert world.states() == {"pending": 2} and not decided(world)
    wanted = {"text": "315 222 3344", "how": "erase"} | {
        name: hidden(counted.text, name) for name in ("plan", "events")
    }
    without_reason = admin.post("/console/erase", **wanted)
    assert without_reason.status_code == 400 and "1 event would be forgotten" in without_reason.text
    for plan in ("", "x", hidden(admin.post("/console/erase", text="300 000 0008", how="look").text, "plan")):
        uncounted = admin.post("/console/erase", **(wanted | {"plan": plan}), why="asked for it")
        assert uncounted.status_code == 400 and "Count first what would go" in uncounted.text
    assert not decided(world)
    done = admin.post("/console/erase", **wanted, why="asked for it", never_again="yes")
    assert "1 event is forgotten" in done.text
    assert world.states() == {"pending": 1, "suppressed": 1}
    assert [(who, what) for who, what, _ in decided(world)] == [("root", "suppress"), ("root", "erase")]
    assert "its data was forgotten" in admin.get("/console/events/e1").text
    again = admin.post("/console/erase", text="315 222 3344", how="look")
    assert "Nothing of this person is here" in again.text


def test_a_large_database_is_searched_in_steps_that_go_on(
    app: ConsoleApp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.receive("landing", one(8), one(9, phones=["300 000 0009", "315 222 3344"]))
    monkeypatch.setattr(erase_steps, "STEP_S", 0.0)
    monkeypatch.setattr(erase, "READ_AT_ONCE", 1)
    admin, plan = Browser(app, "root"), ""
    for how, ends in (("look", "2 events would be forgotten"), ("erase", "2 events are forgotten")):
        given = {"text": "315 222 3344", "how": how, "why": "asked for it", "plan": plan}
        answer, steps = admin.post("/console/erase", **given), 1
        while "data-goes-on" in answer.text:
            fields = dict(
                re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text.split("data-goes-on")[1])
            )
            answer, steps = admin.post("/console/erase", **fields), steps + 1
            assert steps < 9
        assert ends in answer.text and steps > 1
        plan = hidden(answer.text, "plan")
    with world.database.read() as conn:
        gone = conn.execute(select(tables.events.c.id).where(tables.events.c.forgotten_at.is_not(None))).scalars().all()
    assert sorted(gone) == [1, 3]
    assert sum(int(row.number) for row in erasures(world)) == 2


def hidden(page: str, name: str) -> str:
    """What the form of a page carries under this name; "" if it has none."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""


def erasures(world: World) -> list[Any]:
    with world.database.read() as conn:
        return list(conn.execute(select(tables.acts).where(tables.acts.c.what == "erase")))
