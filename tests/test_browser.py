"""The console in a real browser: what only a browser can show. One session and one server for all of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import axe_core_python
import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait
from sqlalchemy import select, update

from connector.admin import reveal, suppression
from connector.admin.accounts import pause
from connector.admin.acts import By
from connector.admin.plans import STEP, Carrier
from connector.admin.privacy import erase, erase_steps
from connector.config import loader
from connector.core.reasons import Code, Reason
from connector.core.settings import Console as Opened
from connector.core.settings import Settings
from connector.inbound.committer import Committer
from connector.store import accounts, reasons, tables
from connector.store.database import Database, now_ms
from connector.vendors.destinations import SPECS, name_of
from connector.vendors.sandbox.exchange import Sandbox
from connector.web.asgi import Front
from connector.web.uvicorn_server import Served
from connector.web.wsgi import create_app
from tests import chromium, test_obstacles
from tests.chromium import LANGUAGES, THEMES, WIDTHS, Pages
from tests.conftest import missing
from tests.connector_steps import World, environment, lead
from tests.test_console import KEYS, PEOPLE, console_settings, one
from tests.test_lots import ROUTE, by_hand, drafted

PATIENCE_S = 30
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PATHS = (
    *("/console/", "/console/destinations/dialler/wolkvox.add_record/1042", "/console/search", "/console/deliveries"),
    *("/console/events/e1", "/console/deliveries/d1/replay", "/console/accounts/dialler", "/console/do-not-contact"),
    *("/console/history", "/console/problems", "/console/queues", "/console/lots", "/console/campaigns"),
    *("/console/surveys", "/console/erase", "/console/setup", "/console/words", "/console/try", "/console/alarms"),
    *("/console/pace", "/console/api", "/console/do-not-contact/file"),
    *("/console/deliveries?state=pending&cause=replayed", "/console/events/e999"),
)


class Console:
    """A server with two leads in its database, and a browser."""

    def __init__(self, driver: Chrome, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.world = World(self.settings, self.database)
        self._committer = Committer(self.database)
        self._served = self._serve(0)
        self.driver = driver
        self.pages = Pages(driver, f"http://127.0.0.1:{self._served.port}")

    def _serve(self, port: int) -> Served:
        front = Front(create_app(self.settings, self.database, name_of, self._committer))
        served = Served(front, "127.0.0.1", port, shared=False)
        served.start()
        return served

    @contextmanager
    def away(self) -> Iterator[None]:
        """Meanwhile nobody answers at its port."""
        port = self._served.port
        self._served.stop(5)
        try:
            yield
        finally:
            self._served = self._serve(port)

    def stands(self, state: str) -> None:
        """Lets every delivery be in this state, refused by its vendor."""
        values = {"state": state, **reasons.columns(Reason(Code.REFUSED, {"words": "400 wrong", "status": 400}))}
        with self.database.write() as conn:
            conn.execute(update(tables.deliveries).values(values))

    def acts(self) -> list[tuple[str, str]]:
        """Who did what, in order."""
        with self.database.read() as conn:
            rows = conn.execute(select(tables.acts).order_by(tables.acts.c.id)).all()
        return [(row.who, row.what) for row in rows]

    def requests(self) -> list[str]:
        """The paths that the browser asked for since the last look."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [url.removeprefix(self.pages.url) for url in asked if url.startswith(self.pages.url)]

    def close(self) -> None:
        self._served.stop(5)
        self._committer.close()
        self.database.close()

    def until(self, holds: Any) -> None:
        # A page that refreshes itself may replace what is being read.
        WebDriverWait(self.driver, PATIENCE_S, ignored_exceptions=[WebDriverException]).until(lambda _: holds())


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    if lacks := chromium.missing():
        missing(f"no browser: apt-get install chromium chromium-driver ({lacks})")
    with chromium.started() as driver:
        yield driver


@pytest.fixture(scope="module")
def console(driver: Chrome, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    path = tmp_path_factory.mktemp("console") / "connector.db"
    path.write_bytes(sqlite_template.read_bytes())
    console = Console(driver, console_settings(f"sqlite:///{path}"))
    console.world.receive("landing", one(7, phones=["315 222 3344"]), one(8))
    yield console
    console.close()


@pytest.fixture
def busy(driver: Chrome, tmp_path: Path, sqlite_url: str, sandbox: Sandbox) -> Iterator[Console]:
    """Another one, empty, with vendors behind it."""
    settings = loader.load(environment(tmp_path, sqlite_url, sandbox.url, more=ROUTE), destinations=SPECS)
    console = Console(driver, replace(settings, console=Opened(enabled=True, people=PEOPLE)))
    yield console
    console.close()


def violations(driver: Chrome) -> list[str]:
    """What axe finds against WCAG 2.2 AA."""
    driver.execute_script(AXE)
    run = """const done = arguments[arguments.length - 1];
    axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(done);"""
    found = driver.execute_async_script(run)["violations"]
    return [f"{one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]


def test_every_page_is_accessible_and_fits_in_every_language_and_colour(console: Console) -> None:
    pages = console.pages
    looks = list(product(LANGUAGES, THEMES, (*WIDTHS, 768)))
    small = "return [...document.querySelectorAll('button,input:not([type=hidden]),select,nav a')]"
    small += ".filter(e => e.offsetParent && Math.min(e.offsetHeight, e.offsetWidth) < 24).map(e => e.outerHTML)"
    pages.sign_in(KEYS["root"])
    for at, path in enumerate(PATHS):
        for language, theme, width in (looks[at % len(looks)], looks[(at + 7) % len(looks)]):
            pages.look(language, theme, width)
            pages.open(path)
            assert not violations(console.driver), (path, language, theme, width)
            assert not pages.is_too_wide(), (path, language, width)
            assert not console.driver.execute_script(small), (path, language, width)


@pytest.mark.parametrize(
    "spelt", ["+57 (315) 222-3344", "3152223344", "315 222 3344", "0057 315.222.3344", "57-315-222-33-44"]
)
def test_a_phone_leads_to_a_story_by_keyboard_alone_and_stands_in_no_address(
    console: Console, spelt: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["ana"])
    console.requests()
    pages.look("en", "light", 1440)
    pages.open("/console/deliveries")
    driver.find_element("tag name", "body").send_keys("/")
    assert driver.switch_to.active_element.get_attribute("id") == "find"
    driver.switch_to.active_element.send_keys(spelt + Keys.ENTER)
    console.until(lambda: driver.current_url.endswith("/console/events/e1"))
    assert "received from landing" in pages.text
    for word in ("315", "222", "3344"):
        assert word not in driver.title + driver.current_url
    written = "".join((driver.execute_script("return document.referrer"), *capfd.readouterr()))
    addresses = console.requests()
    assert "/console/events/e1" in addresses
    for place in (written, *addresses):
        assert not re.search(r"222\D{0,3}33\D?44", unquote_plus(place)), place


def test_no_page_breaks_its_policy_or_asks_another_host(console: Console) -> None:
    pages, driver = console.pages, console.driver
    driver.get_log("browser"), driver.get_log("performance")
    pages.sign_in(KEYS["root"])
    for path in PATHS:
        pages.open(path)
    said = [one["message"] for one in driver.get_log("browser") if one["level"] == "SEVERE"]
    assert not [words for words in said if "/console/events/e999" not in words]  # the one that is not there
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith((pages.url, "data:")) for url in asked)


def test_now_refreshes_itself_and_leaves_the_reader_in_peace(console: Console) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 1440)
    pages.open("/console/")
    driver.execute_script("document.querySelector('[data-part]').dataset.marked = 'same page'")
    before = pages.text
    pages.field("find").send_keys("half typed")
    console.world.receive("landing", one(20))
    console.until(lambda: pages.text != before)
    assert pages.field("find").get_attribute("value") == "half typed"
    assert driver.find_elements("css selector", "[data-marked]")


def test_a_part_with_an_open_detail_or_a_ticked_box_stays_until_it_is_left(console: Console) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 1440)
    pages.open("/console/")
    put = "document.querySelector('[data-part]').insertAdjacentHTML('beforeend', arguments[0])"
    used = "<details open id='used'><summary>s</summary></details><input type='checkbox' id='tick' checked>"
    driver.execute_script(put, used)
    console.world.receive("landing", one(21))
    for left in ("document.getElementById('used').open = false", "document.getElementById('tick').checked = false"):
        time.sleep(12)  # it is asked for every five seconds
        assert driver.find_elements("id", "used") and driver.find_elements("id", "tick")
        driver.execute_script(left)
    console.until(lambda: not driver.find_elements("id", "used"))


def test_after_signing_out_the_way_back_shows_nothing(console: Console) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["ana"])
    pages.open("/console/events/e1")
    pages.button("footer form[action='/console/sign-out'] button").send_keys(Keys.ENTER)
    console.until(lambda: driver.current_url.endswith("/console/sign-in"))
    left = pages.button("body")
    driver.back()
    console.until(lambda: staleness_of(left)(driver))
    assert "received from landing" not in pages.text


def test_without_scripts_every_act_works(console: Console) -> None:
    pages, driver = console.pages, console.driver
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        pages.sign_in(KEYS["ana"])
        pages.open("/console/accounts/dialler")
        pages.field("why").send_keys("maintenance")
        for state in ("paused", "open"):
            before = pages.button("main form button.main")
            before.click()
            console.until(lambda state=state: console.world.account().state == state)
            console.until(lambda before=before: staleness_of(before)(driver))
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_scripts_a_person_is_found_seen_listed_and_sent_again(console: Console) -> None:
    console.stands("dead")
    pages, driver = console.pages, console.driver

    def press(selector: str) -> None:
        button = pages.button(selector)
        button.send_keys(Keys.ENTER)
        console.until(lambda: staleness_of(button)(driver))

    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        pages.sign_in(KEYS["ana"])
        pages.look("en", "light", 1440)
        pages.field("find").send_keys("315 222 3344", Keys.ENTER)
        console.until(lambda: driver.current_url.endswith("/console/events/e1"))
        pages.button("form[action$='/reveal'] select").send_keys(Keys.ARROW_DOWN)
        press("form[action$='/reveal'] button")
        assert "315 222 3344" in pages.text
        pages.open("/console/deliveries/d1/replay")
        pages.field("why").send_keys("corrected")
        press("main form button.main")
        assert "done=replayed" in driver.current_url and console.world.states()["pending"] == 1
        pages.open("/console/problems")
        press("main a[href^='/console/problems/']")
        press("main form[action$='/plan'] button")
        press("main form button.main")
        assert "/console/plans/" in driver.current_url
        press("main form[action$='/stop'] button")
        pages.open("/console/do-not-contact")
        pages.field("text").send_keys("315 222 3344", Keys.ENTER)
        console.until(lambda: "is not on the list" in pages.text)
        pages.field("why").send_keys("asked for it", Keys.ENTER)
        console.until(lambda: "is on the list now" in pages.text)
        suppression.remove(console.database, console.settings, "315 222 3344", By("ana", "a test"))
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# --- what goes wrong, and what people do about it -------------------------------------------------------------------


def test_a_wrong_key_is_refused_and_a_pasted_one_lets_in(console: Console) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in("x" * 40)
    assert "/console/sign-in" in driver.current_url and "x" * 40 not in driver.page_source
    key = pages.field("key")
    assert key.get_attribute("type") == "password"
    pages.button("[data-shows]").click()
    assert key.get_attribute("type") == "text"
    driver.execute_script("arguments[0].value = arguments[1]", key, f"  {KEYS['ana']} ")  # as pasted, with blanks
    key.send_keys(Keys.ENTER)
    console.until(lambda: driver.current_url.endswith("/console/"))


def test_a_hidden_tab_asks_for_nothing(console: Console) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["vera"])
    pages.open("/console/")
    console.requests()
    console.until(lambda: "/console/parts/now" in console.requests())
    driver.execute_script("Object.defineProperty(document, 'hidden', {get: () => true})")
    time.sleep(5)  # what was asked for before may still be on its way
    console.requests()
    time.sleep(30)
    assert not console.requests()


def test_while_nobody_answers_the_figures_stay_under_a_bar_that_goes_again(console: Console) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["vera"])
    pages.look("en", "light", 1440)
    pages.open("/console/")
    late = pages.button("[data-late]")
    with console.away():
        console.until(lambda: late.text != "")
        assert re.search(r"As of .*\d:\d\d:\d\d.*Not refreshed since then", pages.button("p.refresh").text)
        assert "Destinations" in pages.text and driver.find_elements("css selector", "[data-part].old")
    console.until(lambda: late.text == "")
    assert not driver.find_elements("css selector", "[data-part].old")


def test_a_blocked_account_is_named_first_and_resumed_by_a_person_whom_history_names(console: Console) -> None:
    pages, driver = console.pages, console.driver
    with console.database.write() as conn:
        accounts.block(conn, "dialler", Reason(Code.BLOCKED_CREDENTIALS, {"words": "the token"}), now_ms(conn))
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 1440)

    def is_named() -> bool:  # as soon as the figures that all viewers share are read again
        pages.open("/console/destinations/dialler/wolkvox.add_record/1042")
        return "blocked" in pages.text

    console.until(is_named)
    pages.open("/console/accounts/dialler")
    pages.field("why").send_keys("a new key", Keys.ENTER)
    console.until(lambda: "done=resumed" in driver.current_url)
    assert console.world.account().state == "open"
    pages.open("/console/history")
    assert "ana resumed dialler" in pages.text and "a new key" in pages.text


def test_many_of_one_cause_are_sent_again_once_however_often_it_is_pressed(console: Console) -> None:
    pages, driver = console.pages, console.driver
    console.stands("dead")
    pages.sign_in(KEYS["ana"])
    pages.open("/console/problems")
    pages.button("main a[href^='/console/problems/']").click()
    number = len(list(console.world.deliveries()))
    before = console.acts().count(("ana", "replay"))
    pages.button("main form button").click()
    console.until(lambda: "/console/plans/" in driver.current_url)
    planned = driver.current_url
    console.world.receive("landing", one(900))
    with console.database.write() as conn:  # one more fails after the plan was made
        conn.execute(update(tables.deliveries).where(tables.deliveries.c.state == "pending").values(state="dead"))
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    other = driver.current_window_handle
    driver.get(planned)
    driver.switch_to.window(first)
    button = pages.button("main form button.main")
    assert f"Send {number}" in button.text
    ActionChains(driver).double_click(button).perform()
    console.until(lambda: "button.main" not in driver.page_source and driver.current_url == planned)
    driver.back()
    pages.open(planned.removeprefix(pages.url))
    driver.switch_to.window(other)  # it still has the button
    button = pages.button("main form button.main")
    button.send_keys(Keys.ENTER)
    console.until(lambda: staleness_of(button)(driver))
    assert driver.current_url == planned and "button.main" not in driver.page_source
    driver.close()
    driver.switch_to.window(first)
    carrier = Carrier(console.settings, console.database)
    while carrier.step() == 0:
        pass
    states = console.world.states()
    assert states == {"pending": number, "dead": 1}
    assert console.acts().count(("ana", "replay")) == before + number


def test_data_is_shown_after_the_act_and_left_out_of_print_and_of_a_viewer_s_page(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["vera"])
    pages.open("/console/events/e1")
    assert not driver.find_elements("css selector", "form[action$='/reveal']")
    pages.sign_in(KEYS["ana"])
    pages.open("/console/events/e1")
    assert "315 222 3344" not in driver.page_source
    pages.button("form[action$='/reveal'] select").send_keys(Keys.ARROW_DOWN)
    pages.button("form[action$='/reveal'] button").click()
    console.until(lambda: "315 222 3344" in driver.page_source)
    number = console.acts().count(("ana", "reveal"))
    assert number
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert "315 222 3344" not in pages.text
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    monkeypatch.setattr(reveal, "MOST_AN_HOUR", number)
    pages.open("/console/events/e2")
    pages.button("form[action$='/reveal'] select").send_keys(Keys.ARROW_DOWN)
    button = pages.button("form[action$='/reveal'] button")
    button.click()
    console.until(lambda: staleness_of(button)(driver))
    assert "300 000 0008" not in driver.page_source and f"{number} " in pages.text
    assert console.acts().count(("ana", "reveal")) == number


def test_a_person_is_put_on_the_list_by_keyboard_after_the_page_said_what_ends(console: Console) -> None:
    pages, driver = console.pages, console.driver
    console.stands("pending")
    pages.sign_in(KEYS["ana"])
    pages.open("/console/do-not-contact")
    pages.field("text").send_keys("315 222 3344", Keys.ENTER)
    console.until(lambda: "is not on the list" in pages.text)
    assert "d1" in pages.text
    pages.field("why").send_keys("asked for it", Keys.ENTER)
    console.until(lambda: "is on the list now" in pages.text)
    assert "315" not in driver.current_url + driver.title


def test_a_dead_delivery_is_found_and_sent_again_by_keyboard_alone(console: Console) -> None:
    pages, driver = console.pages, console.driver
    console.stands("dead")
    pages.sign_in(KEYS["ana"])
    pages.open("/console/deliveries")
    driver.find_element("tag name", "body").send_keys("/")
    driver.switch_to.active_element.send_keys("L-8" + Keys.ENTER)
    console.until(lambda: "/console/events/e2" in driver.current_url)
    for _ in range(60):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        if "/replay" in (driver.switch_to.active_element.get_attribute("href") or ""):
            break
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    console.until(lambda: driver.current_url.endswith("/replay"))
    pages.field("why").send_keys("corrected", Keys.ENTER)
    console.until(lambda: "done=replayed" in driver.current_url)
    assert console.world.states()["pending"] == 1


def test_a_person_is_forgotten_in_steps_that_go_on_by_themselves(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_steps, "STEP_S", 0.0)
    monkeypatch.setattr(erase, "READ_AT_ONCE", 1)
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["root"])
    pages.open("/console/erase")
    pages.field("text").send_keys("300 000 0008", Keys.ENTER)
    console.until(lambda: "1 event would be forgotten" in pages.text)
    pages.field("why").send_keys("asked for it")
    pages.button("button.danger").click()
    console.until(lambda: "1 event is forgotten" in pages.text)
    assert ("root", "erase") in console.acts() and "0008" not in driver.current_url


# --- acts on many, and on vendors -----------------------------------------------------------------------------------


def test_many_that_are_stopped_half_way_add_up_and_the_rest_is_left(console: Console) -> None:
    console.world.receive("landing", *(one(number) for number in range(1000, 1000 + STEP)))
    console.stands("dead")
    number = len(list(console.world.deliveries()))
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 1440)
    pages.open("/console/problems")
    pages.button("main a[href^='/console/problems/']").click()
    console.until(lambda: driver.find_elements("css selector", "main form[action$='/plan'] button"))
    pages.button("main form[action*='/plan'] button").click()
    console.until(lambda: "/console/plans/" in driver.current_url)
    planned = driver.current_url.removeprefix(pages.url)
    pages.button("main form button.main").click()
    console.until(lambda: not driver.find_elements("css selector", "main form[action$='/begin']"))
    Carrier(console.settings, console.database).step()
    pages.open(planned)
    assert not violations(driver)
    pages.button("main form[action$='/stop'] button").click()
    console.until(lambda: not driver.find_elements("css selector", "main form[action$='/stop']"))
    another = Carrier(console.settings, console.database)  # as a process that takes over
    another.step()
    with console.database.read() as conn:
        plan = conn.execute(select(tables.plans).order_by(tables.plans.c.id.desc()).limit(1)).one()
    assert (plan.state, plan.done) == ("stopped", STEP) and plan.sent
    assert console.world.states() == {"pending": plan.sent, "dead": number - plan.sent}
    assert "stopped" in pages.text


def test_what_is_uncertain_is_resolved_both_ways(console: Console) -> None:
    console.stands("uncertain")
    pages, driver = console.pages, console.driver
    pages.sign_in(KEYS["ana"])
    for name, how, state in (("d1", "landed", "delivered"), ("d2", "absent", "pending")):
        pages.open("/console/deliveries?state=uncertain")
        pages.open(f"/console/deliveries/{name}")
        pages.button(f"a[href='/console/deliveries/{name}/resolve']").click()
        console.until(lambda: driver.find_elements("css selector", "button[name=how]"))
        assert not violations(driver)
        pages.field("why").send_keys("seen at the vendor")
        pages.button(f"button[name=how][value={how}]").click()
        console.until(lambda how=how: f"done={how}" in driver.current_url)
        row = next(row for row in console.world.deliveries() if f"d{row.id}" == name)
        assert row.state == state
    assert {("ana", "landed"), ("ana", "not_landed")} <= set(console.acts())


def test_a_lot_that_changed_since_it_was_shown_is_not_fired(busy: Console, sandbox: Sandbox) -> None:
    code = drafted(busy.world, 3)
    pages, driver = busy.pages, busy.driver
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 320)
    pages.open("/console/lots")
    pages.button("main form[action$='/look'] button").send_keys(Keys.ENTER)
    busy.until(lambda: driver.find_elements("css selector", "form[action$='/fire']"))
    assert not violations(driver) and not pages.is_too_wide()
    by_hand(sandbox, 1)
    pages.button("form[action$='/fire'] button").send_keys(Keys.ENTER)
    busy.until(lambda: "has changed since it was shown" in pages.text)
    assert not busy.acts()
    with busy.database.read() as conn:
        states = dict(conn.execute(select(tables.lots.c.code, tables.lots.c.state)).all())
    assert states == {code: "draft"}


def test_resuming_a_blocked_account_on_its_page_leads_to_dialling(busy: Console) -> None:
    pages, driver = busy.pages, busy.driver
    with busy.database.write() as conn:
        accounts.block(conn, "dialler", Reason(Code.BLOCKED_CREDENTIALS, {"words": "the token"}), now_ms(conn))
    busy.world.receive("landing", lead(1))
    busy.world.drain()
    assert busy.world.states() == {"pending": 1}
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 320)
    pages.open("/console/accounts/dialler")
    assert "blocked" in pages.text
    pages.field("why").send_keys("a new key", Keys.ENTER)
    busy.until(lambda: "done=resumed" in driver.current_url)
    busy.world.drain()
    assert busy.world.states() == {"delivered": 1} and busy.acts() == [("ana", "resume")]


@pytest.mark.parametrize("guard", ["listed", "copy", "paused"])
def test_what_try_says_is_what_then_happens(busy: Console, guard: str) -> None:
    world, pages, driver = busy.world, busy.pages, busy.driver
    payload = lead(1)
    if guard == "listed":
        suppression.add(world.database, world.settings, "300 000 0001", By("ana", "asked for it"))
    if guard == "copy":
        world.receive("landing", payload | {"id": "L-before"})
        world.drain()
    if guard == "paused":
        pause(world.database, world.settings, "dialler", By("ana", "maintenance"))
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 1440)
    pages.open("/console/try")
    pages.field("text").send_keys(json.dumps(payload))
    before = world.everything()
    pages.button("main form button.main").click()
    busy.until(lambda: driver.find_elements("css selector", "main section .verdict"))
    said = pages.button("main section .verdict .first").text
    assert world.everything() == before and not violations(driver)
    world.receive("landing", payload)
    world.drain()
    becomes = {"listed": "suppressed", "copy": "suppressed", "paused": "pending"}[guard]
    words = {"listed": "would not go", "copy": "would not go", "paused": "It would wait"}[guard]
    assert list(world.deliveries())[-1].state == becomes and words in said


# --- why nobody is dialled ------------------------------------------------------------------------------------------


@pytest.fixture
def hindered(driver: Chrome, sqlite_url: str) -> Iterator[Console]:
    """One in which one lead waits and everything runs."""
    console = Console(driver, console_settings(sqlite_url))
    test_obstacles.run(console.world)
    yield console
    console.close()


@pytest.mark.parametrize("name", test_obstacles.OBSTACLES)
def test_each_obstacle_is_named_first_on_its_destination_s_page_and_on_now(hindered: Console, name: str) -> None:
    bring, words = test_obstacles.OBSTACLES[name]
    bring(hindered.world)
    pages = hindered.pages
    pages.sign_in(KEYS["ana"])
    pages.look("en", "light", 1440)
    pages.open(f"/console/destinations/{test_obstacles.PLACE}")
    hindered.until(lambda: words in pages.button("main p.verdict").text)
    pages.open("/console/")
    hindered.until(lambda: words in pages.button("main .verdict .first").text)
    assert not violations(hindered.driver)
