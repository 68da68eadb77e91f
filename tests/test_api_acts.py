"""Every address of `/api`: its answer is as its document says; refused without a key, by role, and with one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from connector.admin.plans import Carrier
from connector.admin.privacy.retention import Schedule
from connector.core.errors import StoreUnavailable
from connector.core.reasons import Code, Reason
from connector.core.settings import Secret, Settings
from connector.core.states import AttemptState, Kind
from connector.core.times import DAY_MS
from connector.store import accounts, api_answers, plans, reasons, tables
from connector.store.database import Database, now_ms
from connector.vendors import destinations
from tests.conforming import conforms
from tests.connector_steps import World
from tests.test_console import KEYS, PEOPLE, console_settings, one
from tests.web_client import assert_problem, web

NOBODY = "nobody's phone"
PERSON = "300 000 0001"


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    people = {**PEOPLE, "root": replace(PEOPLE["root"], token=Secret(KEYS["root"]), token_hash="")}
    made = console_settings(sqlite_url)
    assert made.console is not None
    return replace(made, console=replace(made.console, people=people))


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    """Two leads, not sent yet."""
    database = Database(settings.database_url)
    made = World(settings, database)
    made.receive("landing", one(1), one(2))
    yield made
    database.close()


@pytest.fixture
def client(settings: Settings, world: World) -> Iterator[FlaskClient]:
    with web(settings) as made:
        yield made


def ask(
    client: FlaskClient, path: str, body: Any = None, *, who: str = "ana", method: str = "", **more: str
) -> TestResponse:
    """A request with a key; ``body``: an object, or bytes as they are; ``more``: headers."""
    given = body if isinstance(body, bytes | None) else orjson.dumps(body)
    headers = {name.replace("_", "-"): text for name, text in more.items()}
    headers |= {"Authorization": f"Bearer {KEYS[who]}"} if who else {}
    return client.open(path, method=method or ("GET" if body is None else "POST"), data=given, headers=headers)


def told(client: FlaskClient, path: str, body: Any = None, *, who: str = "ana", status: int = 200) -> Any:
    answer = ask(client, path, body, who=who)
    assert answer.status_code == status, answer.text
    return answer.get_json()


def stands(world: World, state: str, *numbers: int, attempt: int | None = None) -> None:
    """Lets deliveries be in this state."""
    why = Reason(Code.REFUSED, {"words": "400 wrong", "status": 400})
    given = {"state": state, **reasons.columns(why), "attempt": attempt}
    change = update(tables.deliveries).where(tables.deliveries.c.id.in_(numbers))
    with world.database.write() as conn:
        conn.execute(change.values(given))


def decided(world: World) -> list[tuple[str, str, str]]:
    with world.database.read() as conn:
        rows = conn.execute(select(tables.acts).order_by(tables.acts.c.id)).all()
    return [(row.who, row.what, row.why) for row in rows]


def state(world: World, number: int = 1) -> str:
    return next(str(row.state) for row in world.deliveries() if row.id == number)


def called(world: World) -> int:
    """The number of a call that took everything and whose answer is unknown."""
    with world.database.write() as conn:
        places = destinations.places(world.settings)["dialler"]
        now = now_ms(conn)
        accounts.ensure(conn, ["dialler"], [(name, "dialler") for name in places], now)
        values = {"account": "dialler", "destination": next(iter(places)), "kind": Kind.SEND, "worker": "w"}
        values |= {"state": AttemptState.UNKNOWN, "records": 2, "started_at": now, "deadline": now, "ended_at": now}
        number = conn.execute(tables.attempts.insert().values(values).returning(tables.attempts.c.id)).scalar_one()
    stands(world, "uncertain", 1, 2, attempt=number)
    return int(number)


# --- every address --------------------------------------------------------------------------------------------------

#: Address as the application knows it -> one that a request may have, method, who of those with fewest rights may.
ADDRESSES: dict[str, tuple[str, str, str]] = {
    "/api/status": ("/api/status", "GET", "vera"),
    "/api/deliveries": ("/api/deliveries", "GET", "vera"),
    "/api/explain/<path:story>": ("/api/explain/d1", "GET", "vera"),
    "/api/attempts/<number>": ("/api/attempts/a1", "GET", "vera"),
    "/api/people/<pseudonym>": (f"/api/people/p-{'0' * 32}", "GET", "vera"),
    "/api/pace": ("/api/pace", "GET", "vera"),
    "/api/history": ("/api/history", "GET", "vera"),
    "/api/simulate": ("/api/simulate", "POST", "ana"),
    "/api/search": ("/api/search", "POST", "vera"),
    "/api/openapi.json": ("/api/openapi.json", "GET", "vera"),
    "/api/asyncapi.json": ("/api/asyncapi.json", "GET", "vera"),
    "/api/problems": ("/api/problems", "GET", "vera"),
    "/api/plans/<int:number>": ("/api/plans/1", "GET", "vera"),
    "/api/do-not-contact/check": ("/api/do-not-contact/check", "POST", "vera"),
    "/api/accounts/<name>/pause": ("/api/accounts/dialler/pause", "POST", "ana"),
    "/api/accounts/<name>/resume": ("/api/accounts/dialler/resume", "POST", "ana"),
    "/api/deliveries/<number>/replay": ("/api/deliveries/d1/replay", "POST", "ana"),
    "/api/deliveries/<number>/resolve": ("/api/deliveries/d1/resolve", "POST", "ana"),
    "/api/attempts/<number>/resolve": ("/api/attempts/a1/resolve", "POST", "ana"),
    "/api/events/<number>/reveal": ("/api/events/e1/reveal", "POST", "ana"),
    "/api/do-not-contact/add": ("/api/do-not-contact/add", "POST", "ana"),
    "/api/do-not-contact/remove": ("/api/do-not-contact/remove", "POST", "ana"),
    "/api/problems/<cause>/plan": (f"/api/problems/{'0' * 12}/plan", "POST", "ana"),
    "/api/plans/<int:number>/begin": ("/api/plans/1/begin", "POST", "ana"),
    "/api/plans/<int:number>/stop": ("/api/plans/1/stop", "POST", "ana"),
    "/api/erase": ("/api/erase", "POST", "root"),
    "/api/lots": ("/api/lots", "GET", "vera"),
    "/api/lots/<account>/<campaign>/<lot>/look": ("/api/lots/surveys/26/x/look", "POST", "ana"),
    "/api/lots/<account>/<campaign>/<lot>/fire": ("/api/lots/surveys/26/x/fire", "POST", "ana"),
    "/api/lots/<account>/<campaign>/<lot>/discard": ("/api/lots/surveys/26/x/discard", "POST", "ana"),
    "/api/sources/<name>/redrive": ("/api/sources/queued/redrive", "POST", "ana"),
}
LESSER = {"ana": "vera", "root": "ana"}
#: A body that makes sense to every act.
SENSIBLE = {"why": "on the line", "how": "landed", "text": PERSON, "source": "landing", "payload": "{}"}


def test_every_address_is_tried(client: FlaskClient) -> None:
    rules = {rule.rule for rule in client.application.url_map.iter_rules() if rule.rule.startswith("/api/")}
    assert rules - {"/api/<path:rest>"} == {*ADDRESSES}


@pytest.mark.parametrize(("path", "method", "who"), ADDRESSES.values(), ids=[*ADDRESSES])
def test_an_address_is_closed_without_a_key_and_to_lesser_roles(
    client: FlaskClient, world: World, path: str, method: str, who: str
) -> None:
    body = None if method == "GET" else SENSIBLE
    assert_problem(ask(client, path, body, who="", method=method), 401)
    if who in LESSER:
        called(world)
        plan(client, world)
        before = decided(world), world.states()
        told_so = assert_problem(ask(client, path, body, who=LESSER[who], method=method), 403)
        assert "you are" in told_so["detail"]
        assert (decided(world), world.states()) == before


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"why": 5}', b'{"text": 5}', b'{"why": "\\u0000"}'])
@pytest.mark.parametrize("path", [path for path, method, who in ADDRESSES.values() if who != "vera"])
def test_a_body_that_cannot_be_used_changes_nothing(client: FlaskClient, world: World, path: str, body: bytes) -> None:
    answer = ask(client, path, body, who="root")
    if answer.status_code == 404:  # there is no such plan, cause or call here
        return
    if (path, body) in {
        ("/api/deliveries/d1/replay", b'{"text": 5}'),
        ("/api/accounts/dialler/resume", b'{"text": 5}'),
    }:
        return  # what is not asked for is not read
    assert_problem(answer, 400)
    assert not decided(world) and world.states() == {"pending": 2}


# --- what they answer -----------------------------------------------------------------------------------------------


def test_calls_people_pace_and_history_are_told(client: FlaskClient, world: World) -> None:
    number = called(world)
    made = conforms("Call", told(client, f"/api/attempts/a{number}"))
    assert [one["delivery"] for one in made["members"]] == ["d1", "d2"]
    found = told(client, "/api/search", {"text": PERSON})
    events = conforms("Events", told(client, f"/api/people/p-{found['person']}"))
    assert [one["event"] for one in events["events"]] == ["e1"] and "0000001" not in orjson.dumps(events).decode()
    assert conforms("Pace", told(client, "/api/pace"))["route"] is None
    [route, *_] = [one.name for one in world.settings.routes]
    assert conforms("Pace", told(client, f"/api/pace?route={route}"))["route"] == route
    told(client, "/api/accounts/dialler/pause", {"why": "maintenance"})
    history = conforms("History", told(client, "/api/history"))
    assert [(one["who"], one["what"]) for one in history["acts"]] == [("ana", "pause")]
    assert told(client, "/api/history", who="vera")["acts"] == [], "a viewer's own"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/attempts/a99", 404),
        ("/api/attempts/d1", 404),
        ("/api/attempts/a1x", 404),
        ("/api/people/p-x", 404),
        (f"/api/people/{'0' * 32}", 404),
        ("/api/pace?route=none", 404),
        ("/api/history?before=x", 400),
        ("/api/history?before=-1", 400),
        ("/api/problems?since=1y", 400),
        ("/api/plans/99", 404),
        (f"/api/plans/{'9' * 30}", 404),
        ("/api/plans/x", 404),
    ],
)
def test_a_question_for_what_is_not_there_is_answered_in_a_line(client: FlaskClient, path: str, status: int) -> None:
    assert_problem(ask(client, path), status)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/accounts/nobody/pause", {"why": "x"}),
        ("/api/accounts/nobody/resume", {}),
        ("/api/deliveries/d99/replay", {}),
        ("/api/deliveries/e1/replay", {}),
        ("/api/deliveries/d99/resolve", {"how": "landed"}),
        ("/api/deliveries/d٣/resolve", {"how": "landed"}),
        ("/api/events/e99/reveal", {"why": "on the line"}),
        ("/api/problems/000000000000/plan", {}),
        ("/api/plans/99/begin", {}),
        ("/api/plans/99/stop", {}),
        ("/api/sources/landing/redrive", {}),
    ],
)
def test_an_act_on_what_is_not_there_is_not_found(client: FlaskClient, world: World, path: str, body: Any) -> None:
    assert_problem(ask(client, path, body), 404)
    assert not decided(world)


def test_what_would_happen_is_told_and_nothing_stored(client: FlaskClient, world: World) -> None:
    payload = orjson.dumps(one(3)).decode()
    fate = told(client, "/api/simulate", {"source": "landing", "payload": payload})
    assert fate and world.states() == {"pending": 2}
    for body in ({"source": "none", "payload": payload}, {"source": "landing", "payload": 5}, {}, b"{"):
        assert_problem(ask(client, "/api/simulate", body), 400)


def test_an_account_is_paused_with_a_reason_and_resumed(client: FlaskClient, world: World) -> None:
    assert_problem(ask(client, "/api/accounts/dialler/pause", {}), 400)
    assert conforms("Standing", told(client, "/api/accounts/dialler/pause", {"why": "token"}))["state"] == "paused"
    assert world.account().state == "paused"
    assert conforms("Standing", told(client, "/api/accounts/dialler/resume", {}))["before"] == "paused"
    assert [(who, what) for who, what, _ in decided(world)] == [("ana", "pause"), ("ana", "resume")]


def test_a_delivery_is_sent_again_as_was_told_before_and_a_second_time_by_an_administrator(
    client: FlaskClient, world: World
) -> None:
    stands(world, "dead", 1)
    path = "/api/deliveries/d1/replay"
    assert conforms("Replayed", told(client, path, {"dry_run": True}))["done"] is False and state(world) == "dead"
    done = conforms("Replayed", told(client, path, {"why": "corrected"}))
    assert done["done"] and done["changes"][0]["action"] == "renew" and state(world) == "pending"
    again = told(client, path, {})
    assert not again["done"] and again["changes"][0]["action"] == "keep"
    stands(world, "delivered", 1)
    assert not told(client, path, {})["done"] and state(world) == "delivered"
    assert_problem(ask(client, path, {"force": True}), 403)
    assert told(client, path, {"force": True}, who="root")["done"] and state(world) == "pending"
    assert [(who, what) for who, what, _ in decided(world)] == [("ana", "replay"), ("root", "resend")]


def test_what_is_uncertain_is_resolved_one_by_one_or_as_a_call(client: FlaskClient, world: World) -> None:
    number = called(world)
    assert_problem(ask(client, "/api/deliveries/d1/resolve", {"how": "perhaps"}), 400)
    assert conforms("Resolved", told(client, "/api/deliveries/d1/resolve", {"how": "landed"})) == {"resolved": 1}
    assert_problem(ask(client, "/api/deliveries/d1/resolve", {"how": "landed"}), 400)
    assert told(client, f"/api/attempts/a{number}/resolve", {"how": "absent", "why": "asked"}) == {"resolved": 1}
    assert world.states() == {"delivered": 1, "pending": 1}
    assert_problem(ask(client, f"/api/attempts/a{number}/resolve", {"how": "absent"}), 400)


def test_a_person_is_shown_once_that_is_on_record(client: FlaskClient, world: World) -> None:
    assert_problem(ask(client, "/api/events/e1/reveal", {"why": "curious"}), 400)
    assert not decided(world)
    shown = told(client, "/api/events/e1/reveal", {"why": "on the line"})
    assert "3000000001" in orjson.dumps(shown).decode()
    assert [(who, what) for who, what, _ in decided(world)] == [("ana", "reveal")]


def test_people_are_put_on_the_list_and_taken_off_it(client: FlaskClient, world: World) -> None:
    path = "/api/do-not-contact"
    assert_problem(ask(client, f"{path}/check", {"text": NOBODY}), 400)
    before = conforms("Listed", told(client, f"{path}/check", {"text": PERSON}, who="vera"))
    assert (before["listed"], before["stops"]) == (False, ["d1"]) and "0000001" not in before["person"]
    assert conforms("Listed", told(client, f"{path}/add", {"text": "+57 300-0000001", "why": "asked"}))["listed"]
    assert told(client, f"{path}/check", {"text": PERSON})["listed"]
    assert not conforms("Listed", told(client, f"{path}/remove", {"text": PERSON}))["listed"]
    assert not told(client, f"{path}/check", {"text": PERSON})["listed"]


def plan(client: FlaskClient, world: World) -> dict[str, Any]:
    """A plan of all that is dead, or of nothing."""
    for cause in told(client, "/api/problems", who="ana")["causes"]:
        if cause["state"] == "dead":
            return dict(conforms("Plan", told(client, f"/api/problems/{cause['id']}/plan", {}, status=201)))
    with world.database.write() as conn:
        return {"plan": plans.make(conn, "ana", "operator", "x", [1], now_ms(conn))}


def test_what_failed_alike_is_planned_begun_once_and_stopped(client: FlaskClient, world: World) -> None:
    assert told(client, "/api/problems") == {
        "causes": [],
        "destinations": [],
        "unread": [],
        "looked_back_to": None,
    }
    world.receive("landing", {"type": "lead.created", "id": "bad"})
    [fault] = conforms("Causes", told(client, "/api/problems"))["unread"]
    assert (fault["source"], fault["number"], fault["events"]) == ("landing", 1, ["e3"])
    stands(world, "dead", 1, 2)
    found = conforms("Causes", told(client, "/api/problems?since=7d"))
    [cause], [there] = found["causes"], found["destinations"]
    assert cause["number"] == there["number"] == 2 and there["destination"] == cause["destination"]
    made = plan(client, world)
    address = f"/api/plans/{made['plan']}"
    assert (made["state"], made["deliveries"], made["sent"], world.states()) == ("planned", 2, 2, {"dead": 2})
    for _ in range(2):
        assert conforms("Plan", told(client, f"{address}/begin", {"why": "corrected"}))["state"] == "running"
    Carrier(world.settings, world.database).step()
    assert conforms("Plan", told(client, address, who="vera"))["state"] == "done"
    assert world.states() == {"pending": 2}
    assert conforms("Plan", told(client, f"{address}/stop", {}))["state"] == "done"
    stands(world, "dead", 1, 2)
    second = f"/api/plans/{plan(client, world)['plan']}"
    told(client, f"{second}/begin", {})
    assert told(client, f"{second}/stop", {})["state"] == "stopped"


def test_a_person_is_counted_and_then_forgotten_by_an_administrator(client: FlaskClient, world: World) -> None:
    assert_problem(ask(client, "/api/erase", {"text": NOBODY}, who="root"), 400)
    assert_problem(ask(client, "/api/erase", {"text": PERSON, "plan": "x", "why": "asked"}, who="root"), 400)
    counted = conforms("Erasing", told(client, "/api/erase", {"text": PERSON}, who="root"))
    assert (counted["phase"], counted["tally"]["events"], counted["tally"]["ended"]) == ("counted", 1, 1)
    assert not decided(world) and world.states() == {"pending": 2}
    wanted = {"text": PERSON, "plan": counted["plan"], "never_again": True}
    assert_problem(ask(client, "/api/erase", wanted, who="root"), 400)
    done = conforms("Erasing", told(client, "/api/erase", {**wanted, "why": "asked for it"}, who="root"))
    assert (done["phase"], done["tally"]["events"]) == ("erased", 1)
    assert [(who, what) for who, what, _ in decided(world)] == [("root", "suppress"), ("root", "erase")]
    assert world.states() == {"pending": 1, "suppressed": 1}


# --- asked again ----------------------------------------------------------------------------------------------------

PAUSE = "/api/accounts/dialler/pause"
RESUME = "/api/accounts/dialler/resume"


def keyed(client: FlaskClient, key: str, path: str, body: Any, *, who: str = "ana") -> TestResponse:
    return ask(client, path, body, who=who, Idempotency_Key=key)


def test_an_act_asked_again_with_its_key_is_answered_again_and_not_done_again(
    client: FlaskClient, world: World
) -> None:
    stands(world, "delivered", 1)
    path, body = "/api/deliveries/d1/replay", {"force": True, "why": "asked for it"}
    first = keyed(client, "k-1", path, body, who="root")
    assert first.status_code == 200 and state(world) == "pending" and "Idempotent-Replayed" not in first.headers
    stands(world, "delivered", 1)
    written_otherwise = b'{ "why": "asked for it",  "force": true }'
    again = keyed(client, '"k-1"', path, written_otherwise, who="root")
    assert (again.status_code, again.get_json(), again.headers["Idempotent-Replayed"]) == (
        200,
        first.get_json(),
        "true",
    )
    assert state(world) == "delivered" and len(decided(world)) == 1, "the person is not contacted a second time"
    assert keyed(client, "k-2", path, body, who="root").status_code == 200 and state(world) == "pending"


def test_a_key_is_of_one_person_one_address_and_one_body(client: FlaskClient, world: World) -> None:
    assert keyed(client, "k", PAUSE, {"why": "token"}).status_code == 200
    assert "another" in assert_problem(keyed(client, "k", PAUSE, {"why": "other"}), 422)["detail"]
    assert_problem(keyed(client, "k", RESUME, {"why": "token"}), 422)
    assert world.account().state == "paused" and len(decided(world)) == 1
    assert keyed(client, "k", RESUME, {"why": "token"}, who="root").status_code == 200
    assert world.account().state == "open"


@pytest.mark.parametrize("key", ["", " ", "a b", '"', '"a', "k" * 256, "ñ"])
def test_a_key_that_cannot_be_one_is_refused_and_nothing_done(client: FlaskClient, world: World, key: str) -> None:
    assert_problem(keyed(client, key, PAUSE, {"why": "token"}), 400)
    assert not decided(world)


def test_what_was_refused_frees_its_key(client: FlaskClient, world: World) -> None:
    assert_problem(keyed(client, "k", PAUSE, {}), 400)
    assert keyed(client, "k", PAUSE, {"why": "token"}).status_code == 200
    assert_problem(keyed(client, "v", RESUME, {}, who="vera"), 403)
    assert len(decided(world)) == 1


def test_an_act_whose_end_nobody_saw_is_not_begun_again(
    client: FlaskClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(api_answers, "keep", broken)
        assert_problem(keyed(client, "k", PAUSE, {"why": "token"}), 503)
    told_so = assert_problem(keyed(client, "k", PAUSE, {"why": "token"}), 409)
    assert "/api/history" in told_so["detail"] and len(decided(world)) == 1


def test_an_answer_is_kept_for_a_day_and_holds_nobody(client: FlaskClient, world: World) -> None:
    body = {"text": PERSON, "why": "asked"}
    assert keyed(client, "k", "/api/do-not-contact/add", body).status_code == 200
    with world.database.read() as conn:
        [row] = conn.execute(select(tables.api_answers)).all()
    assert "0000001" not in str(row) and len(row.key) == len(row.asked) == 64
    with world.database.write() as conn:
        conn.execute(update(tables.api_answers).values(at=now_ms(conn) - DAY_MS - 1))
    Schedule(world.settings, world.database, threading.Event()).run_once()
    with world.database.read() as conn:
        assert not conn.execute(select(tables.api_answers)).all()


def test_what_looks_or_reveals_looks_again(client: FlaskClient, world: World) -> None:
    for _ in range(2):
        assert keyed(client, "k", "/api/events/e1/reveal", {"why": "on the line"}).status_code == 200
    assert len(decided(world)) == 2
    assert keyed(client, "k", "/api/do-not-contact/check", {"text": PERSON}).status_code == 200


# --- read again -----------------------------------------------------------------------------------------------------

READS = [path for path, method, _ in ADDRESSES.values() if method == "GET" and "/a1" not in path and "/1" not in path]


@pytest.mark.parametrize("path", READS)
def test_a_read_names_its_state_and_is_empty_to_who_knows_it(client: FlaskClient, world: World, path: str) -> None:
    first = ask(client, path)
    assert first.status_code == 200
    same = ask(client, path, If_None_Match=first.headers["ETag"])
    assert (same.status_code, same.get_data()) == (304, b"") and same.headers["ETag"] == first.headers["ETag"]
    assert ask(client, path, If_None_Match='"other"').status_code == 200
    assert_problem(ask(client, path, who="", If_None_Match=first.headers["ETag"]), 401)


def test_a_read_of_what_changed_is_told(client: FlaskClient, world: World) -> None:
    tag = ask(client, "/api/deliveries").headers["ETag"]
    stands(world, "dead", 1)
    assert ask(client, "/api/deliveries", If_None_Match=tag).status_code == 200
