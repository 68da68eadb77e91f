"""Everything that can be reached at the console, as each role: nobody's data, no dead link, sound HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import update

from connector.admin import suppression
from connector.admin.acts import By
from connector.console.app import create
from connector.core.alarms import AlarmKind, Occasion, Severity
from connector.core.reasons import Code, Reason
from connector.store import alarms, reasons, tables
from connector.store.database import Database
from tests.connector_steps import World
from tests.test_console import KEYS, Browser, console_settings, one

#: Of 12 persons: first name, last name, the end of their phone, their e-mail.
PLANTED = [
    (f"Zenobia{at}", f"Quisquilla{at}", f"7{at:02}8{at:02}", f"zeno{at}@quisquilla.example") for at in range(21, 33)
]
VOID = {"meta", "link", "input", "br", "hr", "img"}


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Persons in every state, vendors that quote them, acts that name them."""
    path = tmp_path_factory.mktemp("crawl") / "connector.db"
    path.write_bytes(sqlite_template.read_bytes())
    settings = console_settings(f"sqlite:///{path}")
    database = Database(settings.database_url)
    made = World(settings, database)
    for at, (first, last, phone, email) in enumerate(PLANTED, 21):
        made.receive("landing", one(at, first_name=first, last_name=last, phones=[f"31{phone}{at:02}"], email=email))
    states = ("pending", "delivered", "uncertain", "suppressed", "dead", "dead")
    with database.write() as conn:
        for at, (first, last, phone, email) in enumerate(PLANTED, 21):
            words = f"400 {first} {last} +5731{phone}{at:02} {email} is wrong"
            values = {"state": states[at % 6], **reasons.columns(Reason(Code.REFUSED, {"words": words, "status": 400}))}
            conn.execute(update(tables.deliveries).where(tables.deliveries.c.id == at - 20).values(values))
    _, _, phone, email = PLANTED[0]
    quoted = Reason(Code.REFUSED, {"words": f"400 {PLANTED[0][1]} {email}", "status": 400}).nested()
    with database.write() as conn:
        for about, is_over in (("dialler", False), ("surveys", True)):
            facts = {"account": about, "state": "blocked", "since": "2026-11-30T10:00:00.000Z", "reason": quoted}
            alarm = alarms.add(conn, AlarmKind.ACCOUNT_CLOSED, about, Severity.URGENT, facts, 1, 2)
            alarms.begin(conn, alarm, 3)
            alarms.add_notices(conn, alarm.id, ["shift"], Occasion.BEGUN, 0, 3)
            if is_over:
                alarms.end(conn, alarm, 4)
    suppression.add(database, settings, f"31{phone}21", By("ana", f"{email} wishes it"))
    yield made
    database.close()


class Page(HTMLParser):
    """The links of a page, and what is unsound in it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.unsound: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.unsound += [f"<{tag}> is not closed" for tag in self._open]
        self.unsound += [f"two elements are called {one}" for one in self.ids if self.ids.count(one) > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and (href := given.get("href")) and href.startswith("/console"):
            self.links.add(href.split("#")[0])
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag not in VOID and tag not in {"path", "rect"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # "<rect …/>": nothing is left open

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unsound.append(f"</{tag}> closes something else")


@pytest.mark.parametrize("name", KEYS)
def test_no_page_that_can_be_reached_shows_a_person(world: World, name: str) -> None:
    browser = Browser(create(world.settings, world.database), name, "es")
    queue, seen = ["/console/"], {"/console/"}
    while queue:
        path = queue.pop()
        answer = browser.get(path)
        assert answer.status_code == 200, path
        page = Page(answer.text)
        assert not page.unsound, (path, page.unsound)
        text = re.sub(r"[\s.-]", "", answer.text)
        for _, last, phone, email in PLANTED:
            assert last not in text and email.replace(".", "") not in text and phone not in text, path
            assert f"31{phone}" not in text, path
        fresh = page.links - seen
        seen |= fresh
        queue += sorted(fresh)
    assert {"/console/problems", "/console/history", "/console/alarms", "/console/setup", "/console/events/e1"} <= seen
    assert len(seen) > 25
