"""Lists of deliveries: every filter, page after page without a gap, as a file; and the calls that they were part of."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from connector.admin import deliveries as lists
from connector.admin import delivery_pages
from connector.admin.deliveries import Search, deliveries
from connector.admin.delivery_pages import new_since, page
from connector.console.app import create
from connector.console.application import ConsoleApp
from connector.console.csv_file import cell
from connector.core.errors import ConnectorError
from connector.core.reasons import Code, Reason
from connector.core.settings import Settings
from connector.store import reasons, tables
from connector.store.database import Database
from tests.connector_steps import World
from tests.statements import heard
from tests.test_console import Browser, console_settings, one

STATES = ("pending", "delivered", "dead", "suppressed", "uncertain")
NUMBER = 60


@pytest.fixture
def settings(database_url: str) -> Settings:
    return console_settings(database_url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def app(settings: Settings, database: Database) -> ConsoleApp:
    return create(settings, database)


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    """Sixty deliveries in five states, many of them changed at one moment."""
    made = World(settings, database)
    made.receive("landing", *(one(number) for number in range(1, NUMBER + 1)))
    with database.write() as conn:
        ids = list(conn.execute(select(tables.deliveries.c.id).order_by(tables.deliveries.c.id)).scalars())
        for at, number in enumerate(ids):
            state = STATES[at % len(STATES)]
            code = Code.REFUSED if at % 2 else Code.NO_RECORD
            then = 1_780_000_000_000 + at // 12 * 1000
            values = {"state": state, "created_at": then, "updated_at": then}
            values |= reasons.columns(Reason(code, {"words": f"400 {at}", "status": 400}))
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == number).values(values))
    return made


def all_of(database: Database, settings: Settings, search: Search) -> list[str]:
    """The whole list, page after page."""
    found: list[str] = []
    before = ""
    for _ in range(200):
        got = page(database, settings, search, before=before)
        found += [shown["delivery"] for shown in got.deliveries]
        if got.older is None:
            return found
        before = got.older
    raise AssertionError("it never ends")


def expected(database: Database, **wanted: Any) -> list[str]:
    """What a plain query finds, in no order."""
    columns = tables.deliveries.c
    query = select(columns.id)
    for name, value in wanted.items():
        query = query.where(columns[name] == value)
    with database.read() as conn:
        return sorted(f"d{number}" for number in conn.execute(query).scalars())


@pytest.mark.parametrize("walked", [7, 10_000])
@pytest.mark.parametrize("few", [0, 2_000])
@pytest.mark.parametrize("state", ["", *STATES, "sending"])
def test_page_after_page_shows_each_once(
    world: World,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    few: int,
    walked: int,
) -> None:
    monkeypatch.setattr(delivery_pages, "WALKED", walked)
    monkeypatch.setattr(delivery_pages, "FEW", few)
    for cause in ("", "vendor.refused"):
        search = Search(state=state, cause=cause, limit=5)
        wanted = {"state": state} if state else {}
        wanted |= {"reason_code": cause} if cause else {}
        found = all_of(database, settings, search)
        assert sorted(found) == expected(database, **wanted)
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("near", [0, 1, 7, 10_000])
@pytest.mark.parametrize("route", ["", "dial new leads", "no such"])
def test_the_latest_that_wait_are_the_same_however_near_they_stand(
    world: World, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, route: str, near: int
) -> None:
    monkeypatch.setattr(lists, "NEAR", near)
    wanted = {"state": "pending"} | ({"route": route} if route else {})
    waiting = sorted((int(one[1:]) for one in expected(database, **wanted)), reverse=True)
    for limit in (1, 2, 5, NUMBER):
        found = deliveries(database, settings, Search(state="pending", route=route, limit=limit))
        assert [int(one["delivery"][1:]) for one in found] == waiting[:limit]


def test_what_waits_is_not_sorted_to_find_the_latest(world: World, database: Database, settings: Settings) -> None:
    """A backlog may be a million: its index is read only where the newest ids do not have enough."""
    asked: list[str] = []
    with heard(database.engine, asked.append):
        assert len(deliveries(database, settings, Search(state="pending", limit=5))) == 5
        assert not any("deliveries.id + " in one for one in asked)
        assert len(deliveries(database, settings, Search(state="pending", limit=NUMBER))) == NUMBER // len(STATES)
    assert any("deliveries.id + " in one for one in asked)


@pytest.mark.parametrize("state", ["", "dead"])
def test_the_way_back_leads_through_the_same_pages(
    world: World, database: Database, settings: Settings, state: str
) -> None:
    search = Search(state=state, limit=4)
    first = page(database, settings, search)
    second = page(database, settings, search, before=first.older or "")
    third = page(database, settings, search, before=second.older or "")
    assert first.newer is None and second.newer and third.newer
    back = page(database, settings, search, after=third.newer)
    assert back.deliveries == second.deliveries
    top = page(database, settings, search, after=back.newer or "")
    assert top.deliveries == first.deliveries


def test_filters_narrow_it_and_say_how_far_was_looked(
    world: World, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "dialler/wolkvox.add_record/1042"
    for wanted, number in (
        (Search(destination=name), NUMBER),
        (Search(destination="nowhere"), 0),
        (Search(route="dial new leads"), NUMBER),
        (Search(source="landing"), NUMBER),
        (Search(source="tickets"), 0),
        (Search(cause="expired"), 0),
        (Search(since="2026-05-28T20:26:44Z"), NUMBER - 48),
        (Search(until="2026-05-28T20:26:41Z"), 12),
        (Search(until="2026-05-28T20:26:42Z", state="dead"), 5),
    ):
        assert len(all_of(database, settings, wanted)) == number, wanted
    monkeypatch.setattr(delivery_pages, "WALKED", 10)
    for state in ("", "dead"):
        found = page(database, settings, Search(state=state, destination="nowhere"))
        assert not found.deliveries and found.looked_back_to is not None and found.older is not None


@pytest.mark.parametrize("mark", ["x", "1.", "-1", "1.2.3", "９", "1 "])
def test_a_mark_that_no_list_gave_is_refused(database: Database, settings: Settings, mark: str) -> None:
    with pytest.raises(ConnectorError):
        page(database, settings, Search(), before=mark)


def test_what_came_since_is_counted(world: World, database: Database, settings: Settings) -> None:
    mark = page(database, settings, Search()).first or ""
    assert new_since(database, settings, Search(), mark) == 0
    world.receive("landing", one(900), one(901))
    assert new_since(database, settings, Search(), mark) == 2


# --- the pages ------------------------------------------------------------------------------------------------------


def test_the_page_leads_on_back_and_to_what_is_new(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "vera")
    first = browser.get("/console/deliveries").text
    shown = re.findall(r'#(d\d+)"', first)
    assert len(shown) == 50 and shown[0] == f"d{NUMBER}"
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = browser.get(older[1].replace("&amp;", "&")).text
    assert re.findall(r'#(d\d+)"', second) == [f"d{number}" for number in range(10, 0, -1)]
    assert 'rel="prev"' in second and 'rel="next"' not in second
    part = re.search(r'data-part="([^"]+)"', first)
    assert part is not None
    assert browser.get(part[1].replace("&amp;", "&")).text == ""
    world.receive("landing", one(900))
    assert "1 is new" in browser.get(part[1].replace("&amp;", "&")).text


@pytest.mark.parametrize(
    "query",
    ["before=x", "after=1.2.3", "from=never", "to=99", "state=x&cause=y&since=z", "destination=%00", "route=%ff%27"],
)
def test_an_address_that_makes_no_sense_is_answered_with_a_list(app: ConsoleApp, world: World, query: str) -> None:
    answer = Browser(app, "vera").get(f"/console/deliveries?{query}")
    assert answer.status_code in (200, 400) and "<h1>Deliveries</h1>" in answer.text


def test_filters_of_an_address_stay_in_the_form(app: ConsoleApp, world: World) -> None:
    name = "dialler/wolkvox.add_record/1042"
    text = (
        Browser(app, "vera", "es").get(f"/console/deliveries?state=dead&destination={name}&cause=vendor.refused").text
    )
    for chosen in ("dead", name, "vendor.refused"):
        assert f'<option value="{chosen}" selected>' in text
    assert "open><summary>" in text


# --- the file -------------------------------------------------------------------------------------------------------


def rows_of(text: str) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_file_has_all_that_fits_masked_and_is_on_record(app: ConsoleApp, world: World, database: Database) -> None:
    world.receive("landing", one(99, first_name="Zenobia", last_name="Quisquilla", phones=["315 222 3344"]))
    browser = Browser(app, "vera")
    answer = browser.post("/console/deliveries/file")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="deliveries.csv"'
    rows = rows_of(answer.text)
    assert [row["delivery"] for row in rows] == [f"d{number}" for number in range(NUMBER + 1, 0, -1)]
    assert rows[0]["who"] == "Zenobia Q., +57 *** **44"
    assert "Quisquilla" not in answer.text and "3344" not in answer.text.replace(" ", "")
    dead = rows_of(browser.post("/console/deliveries/file", state="dead").text)
    assert len(dead) == NUMBER // len(STATES) and {row["state"] for row in dead} == {"dead"}
    with database.read() as conn:
        acts = [(row.who, row.what) for row in conn.execute(select(tables.acts))]
    assert acts == [("vera", "export"), ("vera", "export")]


def test_the_file_speaks_the_reader_s_language(app: ConsoleApp, world: World) -> None:
    rows = rows_of(Browser(app, "vera", "es").post("/console/deliveries/file", state="dead").text)
    assert rows[0]["estado"] == "rechazado"


def test_no_cell_of_a_file_is_a_formula() -> None:
    for text in ("=1+1", "+57 300", "-1", "@SUM(A1)", "\t=1", "\r=1"):
        assert cell(text) == f"'{text}"
    for text in ("d123", "a=b", "", "Ana N."):
        assert cell(text) == text


def test_a_file_is_no_act_of_a_link(app: ConsoleApp) -> None:
    browser = Browser(app, "vera")
    assert browser.get("/console/deliveries/file").status_code in (404, 405)
    assert browser.post("/console/deliveries/file", form_token="forged").status_code == 403


# --- calls ----------------------------------------------------------------------------------------------------------


def call_of(database: Database, *members: int, state: str = "unknown", **columns: Any) -> int:
    row = {
        "account": "dialler",
        "destination": "dialler/wolkvox.add_record/1042",
        "kind": "send",
        "state": state,
        "worker": "w",
        "records": len(members),
        "started_at": 1_900_000_000_000,
        "deadline": 1_900_000_065_000,
        "ended_at": 1_900_000_065_000,
        "words": "no answer",
    }
    with database.write() as conn:
        number = int(
            conn.execute(insert(tables.attempts).values(row | columns).returning(tables.attempts.c.id)).scalar_one()
        )
        mine = tables.deliveries.c.id.in_(members)
        conn.execute(update(tables.deliveries).where(mine).values(attempt=number, attempts=f",{number}"))
    return number


def test_a_call_tells_its_answer_and_what_it_took(app: ConsoleApp, world: World, database: Database) -> None:
    number = call_of(database, 5, 10, 2)
    call_of(database, kind="probe", about=number, state="accepted", words="")
    browser = Browser(app, "ana")
    text = browser.get(f"/console/attempts/a{number}").text
    for words in ("no answer", "a2", "/console/accounts/dialler", "#d5", "#d10", "#d2"):
        assert words in text
    assert "Resolve all that is uncertain of it" in text
    assert f"/console/attempts/a{number}" in browser.get("/console/accounts/dialler").text
    assert f"/console/attempts/a{number}?near=d5" in browser.get("/console/events/e5").text
    assert browser.get(f"/console/attempts/a{number}?near=d5").status_code == 200
    for name in ("a99", "x", "a", "a1'", "d5"):
        assert browser.get(f"/console/attempts/{name}").status_code == 404


@pytest.mark.parametrize(("language", "words"), [("es", "fue aceptada"), ("pt", "foi aceita")])
def test_the_state_of_a_call_agrees_with_it(
    app: ConsoleApp, world: World, database: Database, language: str, words: str
) -> None:
    number = call_of(database, 5, state="accepted", words="")
    browser = Browser(app, "ana")
    for path in (f"/console/attempts/a{number}", "/console/accounts/dialler"):
        assert words in browser.get(path, **{"Accept-Language": language}).text


def test_what_is_uncertain_of_a_call_is_resolved_together_by_who_may(
    app: ConsoleApp, world: World, database: Database
) -> None:
    number = call_of(database, 5, 10, 2)
    assert Browser(app, "vera").post(f"/console/attempts/a{number}/resolve", how="landed").status_code == 403
    assert world.states()["uncertain"] == NUMBER // len(STATES)
    browser = Browser(app, "ana")
    assert browser.post(f"/console/attempts/a{number}/resolve", how="x").status_code == 400
    answer = browser.post(f"/console/attempts/a{number}/resolve", how="landed", why="seen there")
    assert answer.headers["Location"] == f"/console/attempts/a{number}?done=landed"
    assert world.states()["uncertain"] == NUMBER // len(STATES) - 2
    assert "counts as delivered" in browser.get(answer.headers["Location"]).text
    assert browser.post(f"/console/attempts/a{number}/resolve", how="landed").status_code == 400


# --- a file of people -----------------------------------------------------------------------------------------------


def upload(browser: Browser, name: str, content: bytes) -> str:
    token = browser.token("/console/search")
    given = {"form_token": token, "file": (io.BytesIO(content), name)}
    answer = browser.client.post(
        "/console/do-not-contact/file", data=given, base_url="http://127.0.0.1", headers=browser.headers
    )
    return f"{answer.status_code} {answer.text}"


def listed(database: Database) -> int:
    with database.read() as conn:
        return len(conn.execute(select(tables.do_not_contact)).all())


def test_people_of_a_file_are_counted_first_and_then_put_on_the_list(
    app: ConsoleApp, world: World, database: Database
) -> None:
    world.receive("landing", one(99, phones=["315 222 3344"]))
    browser = Browser(app, "ana")
    text = upload(
        browser, "people.csv", b"nombre,telefono\nAna,315 222 3344\nBea,300 111 2233\nBea,+57 3001112233\n,\n"
    )
    assert "2 phones and e-mails were read" in text and "2 are not on the list yet" in text
    assert "1 delivery that waits ends unsent" in text and listed(database) == 0
    found = re.search(r'name="token" value="([^"]+)"', text)
    assert found is not None
    with database.read() as conn:
        kept = " ".join(str(row) for row in conn.execute(select(tables.facts)))
    assert "3152223344" not in kept.replace(" ", "")
    assert Browser(app, "root").post("/console/do-not-contact/add", token=found[1]).status_code == 400
    done = browser.post("/console/do-not-contact/add", token=found[1], why="list of May")
    assert "2 people are new on the list" in done.text and listed(database) == 2
    assert browser.post("/console/do-not-contact/add", token=found[1]).status_code == 400  # a second press
    assert "0 are not on the list yet" in upload(browser, "again.txt", b"315 222 3344\n300 111 2233\n")


def test_a_file_without_people_or_of_who_may_not_changes_nothing(app: ConsoleApp, database: Database) -> None:
    browser = Browser(app, "ana")
    for name, content in (("x.csv", b"factura\n123\n"), ("x.xlsx", b"PK\x03\x04no workbook"), ("x", b"")):
        text = upload(browser, name, content)
        assert text.startswith("400") and 'role="alert"' in text, name
    assert Browser(app, "vera").get("/console/do-not-contact/file").status_code == 403
    assert upload(Browser(app, "vera"), "x.txt", b"300 111 2233\n").startswith("403")
    assert listed(database) == 0


# --- for programs ---------------------------------------------------------------------------------------------------


def test_the_page_for_programs_shows_the_documents_it_is_given(settings: Settings, database: Database) -> None:
    document = {"paths": {"/x": {"get": {"summary": "tells x", "responses": {"200": {}}}}}}
    app = create(settings, database, {"openapi": lambda _: document})
    browser = Browser(app, "vera")
    text = browser.get("/console/api").text
    assert "GET /x" in text and "tells x" in text
    assert browser.get("/console/api/openapi.json").json == document
    assert browser.get("/console/api/asyncapi.json").status_code == 404
