"""The console: who may come in, what every answer carries, and what each page says. In one process, on SQLite."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from connector.admin.accounts import pause
from connector.admin.acts import By, Forbidden
from connector.admin.people import People, Tries
from connector.config import loader
from connector.console.app import create
from connector.console.application import ConsoleApp
from connector.console.session import Sessions
from connector.core.errors import ConfigError, StoreUnavailable
from connector.core.settings import Console, Person, Role, Secret, Settings
from connector.inbound.committer import Committer
from connector.store import accounts as standing
from connector.store import tables
from connector.store.acts import What
from connector.store.database import Database
from connector.vendors import destinations
from connector.vendors.destinations import name_of
from connector.web.wsgi import create_app
from tests.conftest import settings_for
from tests.connector_steps import World, lead

BASE = "http://127.0.0.1"
KEYS = {"vera": "v" * 40, "ana": "a" * 40, "root": "r" * 40}
PEOPLE = {
    "vera": Person("vera", Role.VIEWER, Secret(KEYS["vera"])),
    "ana": Person("ana", Role.OPERATOR, Secret(KEYS["ana"])),
    "root": Person("root", Role.ADMIN, token_hash=generate_password_hash(KEYS["root"], "pbkdf2:sha256:1000")),
}


def one(number: int, **data: Any) -> dict[str, Any]:
    """A lead's payload."""
    made = lead(number)
    made["data"] |= data
    return made


def console_settings(url: str, **changes: object) -> Settings:
    opened = Console(enabled=True, people=PEOPLE)
    return replace(settings_for(url, "http://127.0.0.1:9"), **{"console": opened, **changes})  # type: ignore[arg-type]


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return console_settings(sqlite_url)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def app(settings: Settings, database: Database) -> ConsoleApp:
    return create(settings, database)


@pytest.fixture
def world(settings: Settings, database: Database) -> World:
    return World(settings, database)


class Browser:
    """A person at the console: keeps cookies, takes form tokens from the pages."""

    def __init__(self, app: ConsoleApp, name: str = "", language: str = "en") -> None:
        self.client: FlaskClient = app.test_client()
        self.headers = {"Accept-Language": language}
        if name:
            answer = self.post("/console/sign-in", key=KEYS[name])
            assert answer.status_code == 303, answer.text

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, base_url=BASE, headers=self.headers | headers)

    def token(self, path: str = "/console/sign-in") -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', self.get(path).text)
        assert found or path != "/console/sign-in"
        return found[1] if found else self.token("/console/search")

    def post(self, path: str, *, headers: dict[str, str] | None = None, **form: str) -> TestResponse:
        if "form_token" not in form:
            found = re.search(r'name="form_token" value="([^"]+)"', self.get("/console/search").text)
            form["form_token"] = found[1] if found else self.token()
        return self.client.post(path, data=form, base_url=BASE, headers=self.headers | (headers or {}))


# --- who may come in ------------------------------------------------------------------------------------------------


def test_nobody_sees_a_page_before_signing_in(app: ConsoleApp) -> None:
    answer = Browser(app).get("/console/deliveries?state=dead")
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/console/sign-in?to=/console/deliveries%3Fstate%3Ddead",
    )
    assert Browser(app).get("/console/parts/now").status_code == 401


@pytest.mark.parametrize("name", KEYS)
def test_a_key_or_a_hashed_key_lets_its_person_in(app: ConsoleApp, name: str) -> None:
    browser = Browser(app, name)
    assert f", {name}." in browser.get("/console/").text
    assert browser.post("/console/sign-out").status_code == 303
    assert browser.get("/console/").status_code == 303


def test_a_wrong_key_is_refused_and_soon_waited_for(app: ConsoleApp) -> None:
    browser = Browser(app)
    answers = [browser.post("/console/sign-in", key="x" * 40) for _ in range(5)]
    assert [one.status_code for one in answers] == [403, 403, 403, 403, 429]
    assert "Nobody has this key" in answers[0].text and "x" * 40 not in answers[0].text
    assert browser.post("/console/sign-in", key=KEYS["ana"]).status_code == 429
    assert int(answers[4].headers["Retry-After"]) >= 1


def test_signing_in_leads_on_to_pages_of_ours_only(app: ConsoleApp) -> None:
    for wanted, to in (("/console/search", "/console/search"), ("//evil.example", "/console/"), ("/x", "/console/")):
        answer = Browser(app).post("/console/sign-in", key=KEYS["ana"], to=wanted)
        assert answer.headers["Location"] == to


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(app: ConsoleApp) -> None:
    cookie = Browser(app).get("/console/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_behind_tls_the_cookie_is_secure(settings: Settings, database: Database) -> None:
    app = create(replace(settings, public_url="https://connector.example"), database)
    answer = app.test_client().get("/console/sign-in", base_url="http://connector.example")
    assert answer.headers["Set-Cookie"].startswith("__Host-connector=") and "Secure" in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" in answer.headers


def test_without_tls_other_machines_see_nothing_unless_it_is_allowed(settings: Settings, database: Database) -> None:
    elsewhere = "http://10.0.0.140:8000"
    closed = create(settings, database).test_client().get("/console/sign-in", base_url=elsewhere)
    assert closed.status_code == 403 and "plain_http" in closed.text
    plain = replace(settings, console=Console(enabled=True, plain_http=True, people=PEOPLE))
    allowed = create(plain, database).test_client().get("/console/sign-in", base_url=elsewhere)
    assert allowed.status_code == 200 and "notice warn" in allowed.text


@pytest.mark.parametrize("forged", ["", "0" * 64])
def test_a_form_without_our_token_changes_nothing_and_keeps_what_was_typed(app: ConsoleApp, forged: str) -> None:
    answer = Browser(app, "ana").post("/console/search", form_token=forged, text="typed before")
    assert answer.status_code == 403 and "typed before" in answer.text


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_form_from_another_site_is_refused(app: ConsoleApp, headers: dict[str, str]) -> None:
    assert Browser(app, "ana").post("/console/search", headers=headers, text="x").status_code == 403


def test_a_session_ends_with_its_time_and_with_its_key() -> None:
    now = [1000.0]
    sessions = Sessions(b"key", People(PEOPLE), lambda: now[0])
    cookie = sessions.written(sessions.fresh(PEOPLE["ana"]))
    assert (found := sessions.read(cookie)) is not None and found.person == PEOPLE["ana"]
    other = {"ana": Person("ana", Role.OPERATOR, Secret("b" * 40))}
    assert Sessions(b"key", People(other), lambda: now[0]).read(cookie) is None
    assert Sessions(b"other", People(PEOPLE), lambda: now[0]).read(cookie) is None
    assert sessions.read(cookie[:-2]) is None and sessions.read("") is None and sessions.read("a.b") is None
    now[0] += 8 * 3600 + 1
    assert sessions.read(cookie) is None


def test_a_session_that_is_used_ends_after_twelve_hours_all_the_same() -> None:
    now = [0.0]
    sessions = Sessions(b"key", People(PEOPLE), lambda: now[0])
    session = sessions.fresh(PEOPLE["ana"])
    for _ in range(3):
        now[0] += 4 * 3600
        read = sessions.read(sessions.written(session)) if now[0] < 12 * 3600 else None
    assert read is None


def test_waits_grow_with_wrong_keys_and_end_with_a_right_one() -> None:
    now = [0.0]
    tries = Tries(lambda: now[0])
    waits = []
    for _ in range(6):
        tries.wrong()
        waits.append(tries.wait_s())
    assert waits == [0, 0, 0, 1, 2, 4]
    tries.right()
    assert tries.wait_s() == 0


# --- what every answer carries --------------------------------------------------------------------------------------


def test_every_page_is_closed_to_scripts_frames_and_caches(app: ConsoleApp) -> None:
    browser = Browser(app, "ana")
    for path in ("/console/", "/console/search", "/console/deliveries", "/console/nowhere", "/console/events/e9"):
        answer = browser.get(path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=)", answer.text)
        assert len(answer.data) < 40_000


def test_assets_are_small_kept_for_ever_and_named_by_their_content(app: ConsoleApp) -> None:
    page = Browser(app).get("/console/sign-in").text
    for path, most in zip(re.findall(r'"(/console/assets/[^"]+)"', page), (12_000, 1_000, 6_000), strict=True):
        answer = Browser(app).get(path)
        assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"]
        assert len(answer.data) < most
    assert Browser(app).get("/console/assets/x/secret.py").status_code == 404


def test_a_part_that_has_not_changed_is_not_sent_again(app: ConsoleApp) -> None:
    browser = Browser(app, "vera")
    first = browser.get("/console/parts/now")
    again = browser.get("/console/parts/now", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("es-CO", "dialler está en pausa: token cambiado"),
        ("pt-BR", "dialler está em pausa"),
        ("en", "dialler is paused"),
        ("fr", "en pausa"),
    ],
)
def test_a_page_speaks_its_reader_s_language(app: ConsoleApp, settings: Settings, language: str, words: str) -> None:
    pause(app.database, settings, "dialler", By("ana", "token cambiado"))
    text = Browser(app, "ana", language).get("/console/destinations/dialler/wolkvox.add_record/1042").text
    assert words in text
    assert f'lang="{ {"fr": "es-CO", "pt-BR": "pt"}.get(language, language) }"' in text


def test_the_chosen_language_and_colours_are_kept(app: ConsoleApp) -> None:
    browser = Browser(app, "ana")
    answer = browser.post("/console/language", language="pt", back="/console/search")
    assert answer.headers["Location"] == "/console/search"
    browser.post("/console/language", theme="dark", back="//evil.example")
    text = browser.get("/console/search").text
    assert 'lang="pt' in text and 'data-theme="dark"' in text and "Buscar" in text


# --- what pages say -------------------------------------------------------------------------------------------------


def test_now_names_the_worst_obstacle_and_leads_to_the_whole_way(app: ConsoleApp, settings: Settings) -> None:
    browser = Browser(app, "ana")
    assert "no worker has ever reported" in browser.get("/console/").text
    way = browser.get("/console/destinations/dialler/wolkvox.add_record/1042").text
    assert way.count('<li class="') == 12
    assert browser.get("/console/destinations/nowhere").status_code == 400


def test_a_phone_in_any_spelling_leads_to_one_story_and_stands_in_no_address(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(7, phones=["315 222 3344"]), one(8))
    browser = Browser(app, "vera")
    for text in ("315 222 3344", "+57 315-2223344", "3152223344", "(315) 2223344", "00573152223344"):
        answer = browser.post("/console/search", text=text)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/console/events/e1")
    story = browser.get("/console/events/e1").text
    assert "received from landing" in story and "3152223344" not in story.replace(" ", "")


def test_several_events_of_a_person_are_listed_under_a_pseudonym(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(7, phones=["315 222 3344"]), one(8, phones=["315 222 3344"]))
    browser = Browser(app, "vera")
    answer = browser.post("/console/search", text="315 222 3344")
    assert re.fullmatch(r"/console/people/p-[0-9a-f]{32}", answer.headers["Location"])
    text = browser.get(answer.headers["Location"]).text
    assert "e1" in text and "e2" in text and "Not on the do-not-contact list" in text
    assert browser.get("/console/people/p-x").status_code == 404


def test_search_says_when_nothing_was_asked_and_when_nothing_fits(app: ConsoleApp) -> None:
    browser = Browser(app, "vera")
    assert "Write what you know" in browser.post("/console/search", text=" ").text
    assert "Nothing fits" in browser.post("/console/search", text="nobody@example.com").text


def test_deliveries_can_be_narrowed_by_their_address(app: ConsoleApp, world: World) -> None:
    browser = Browser(app, "vera")
    assert "Nothing was to be delivered yet" in browser.get("/console/deliveries").text
    world.receive("landing", one(7))
    assert "/console/events/e1#d1" in browser.get("/console/deliveries?state=pending&since=1h").text
    assert "Nothing fits" in browser.get("/console/deliveries?state=dead").text
    assert browser.get("/console/deliveries?state=%00'&since=zz").status_code == 200


def test_a_story_that_is_not_there_says_so(app: ConsoleApp) -> None:
    browser = Browser(app, "root")
    acting = ("/console/deliveries/d9/replay", "/console/deliveries/d9/resolve")
    places = ("/console/events/e9", "/console/events/x", "/console/deliveries/d9", "/console/deliveries/d9'")
    for path in (*places, *acting):
        answer = browser.get(path)
        assert answer.status_code == 404 and "There is no such" in answer.text and "--find" not in answer.text


def test_a_route_stands_in_the_quotation_marks_of_the_reader_s_language(app: ConsoleApp, world: World) -> None:
    world.receive("landing", one(7))
    browser = Browser(app, "vera")
    for language, marks in (("es", "«»"), ("pt", "“”"), ("en", "“”")):
        heading = browser.get("/console/deliveries/d1", **{"Accept-Language": language}).text.split("<h2>")[1]
        route = heading.split("→")[0].split("·")[1].strip()
        assert route[0] + route[-1] == marks


def test_while_the_database_is_away_the_last_look_stays(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(app, "vera")
    browser.get("/console/")

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr("connector.console.snapshot.status", away)
    app.snapshot._at = float("-inf")
    text = browser.get("/console/").text
    assert "The database does not answer: this is how it stood at" in text


def test_a_page_whose_data_cannot_be_read_says_what_to_do(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr("connector.console.snapshot.status", away)
    answer = Browser(app, "vera").get("/console/")
    assert answer.status_code == 503 and "Try again in a moment" in answer.text


def test_a_page_that_shows_the_configuration_shows_no_secret(app: ConsoleApp, settings: Settings) -> None:
    text = Browser(app, "vera", "es").get("/console/setup").text
    assert "dial new leads" in text and "expires_after: no más de" in text and "/webhooks/landing" in text
    assert not [secret for secret in settings.secrets if len(secret.reveal()) > 2 and secret.reveal() in text]


def test_lots_and_words_are_told(app: ConsoleApp, database: Database) -> None:
    browser = Browser(app, "vera")
    assert "There is no draft lot" in browser.get("/console/lots").text
    row = {"account": "surveys", "campaign": "52", "code": "8841", "state": "draft", "changed_at": 1}
    with database.write() as conn:
        conn.execute(insert(tables.lots).values(row))
    assert "8841" in browser.get("/console/lots").text and "Look at 8841" not in browser.get("/console/lots").text
    assert "Look at 8841" in Browser(app, "ana").get("/console/lots").text
    assert "a number like d123" in browser.get("/console/words").text


# --- where it stands ------------------------------------------------------------------------------------------------


def test_the_way_in_for_webhooks_has_it_only_where_it_is_enabled(settings: Settings, database: Database) -> None:
    committer = Committer(database)
    try:
        opened = create_app(settings, database, name_of, committer).test_client()
        assert opened.get("/console/sign-in", base_url=BASE).status_code == 200
        assert opened.get("/livez").status_code == 200
        closed = create_app(replace(settings, console=None), database, name_of, committer).test_client()
        assert closed.get("/console/sign-in", base_url=BASE).status_code == 404
        key = {"Authorization": f"Bearer {KEYS['vera']}"}
        assert opened.get("/api/status", headers=key).status_code == 200
        assert closed.get("/api/status", headers=key).status_code == 401
        found = opened.post("/api/search", data='{"text": "300 000 0001"}', headers=key)
        assert found.status_code == 200 and found.json["events"] == [] and len(found.json["person"]) == 32
        for body in ("", "[]", '{"text": 1}', '{"text": " "}', "x" * 5000):
            assert opened.post("/api/search", data=body, headers=key).status_code in (400, 413)
        assert opened.post("/api/search", data='{"text": "x"}').status_code == 401
    finally:
        committer.close()


def test_what_is_wrong_with_people_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "connector.toml"
    file.write_text(
        '[console]\nenabled = true\n[console.people.ana]\nrole = "operator"\ntoken = "short"\n'
        f'[console.people.bea]\nrole = "boss"\ntoken = "{"x" * 40}"\n'
        f'[console.people.eva]\nrole = "admin"\ntoken = "{"x" * 40}"\n[console.people.ida]\nrole = "admin"\n'
    )
    with pytest.raises(ConfigError) as refused:
        loader.load({}, config_path=str(file), destinations=destinations.SPECS)
    said = "\n".join(refused.value.faults)
    for words in ("ana.token: is shorter than 32", "bea.role", "ida.token: needs token"):
        assert words in said
    file.write_text("[console]\nenabled = true\n")
    with pytest.raises(ConfigError, match="needs CONNECTOR_SECRET_KEY"):
        loader.load({}, config_path=str(file), destinations=destinations.SPECS)


def test_an_act_is_refused_where_it_acts(settings: Settings, database: Database) -> None:
    with pytest.raises(Forbidden, match="an operator may do this: you are a viewer"):
        pause(database, settings, "dialler", By("vera", role=Role.VIEWER))
    with database.read() as conn:
        assert all(stand.state == "open" for stand in standing.all_accounts(conn))
    assert [By("x", role=role).may(What.ERASE) for role in Role] == [False, False, True]


def test_a_process_that_nobody_asks_for_a_page_does_not_load_them() -> None:
    code = "import sys, connector.web, connector.cli; print([m for m in sys.modules if 'console' in m or 'babel' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
