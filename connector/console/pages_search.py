"""Search by phone, e-mail, id or name, and the stories of the results. No address names a person."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Flask, Response, request

from connector.admin.events import EventFilter, list_events
from connector.admin.explain import explain
from connector.admin.identifiers import NotThere
from connector.admin.reveal import REASONS
from connector.admin.search import last_contact, next_contact, person_key
from connector.admin.suppression import channel_of, reaching_people, surveying_once_in_90_days
from connector.console.application import here
from connector.console.done import DONE
from connector.console.parts import page, redirected
from connector.core import masking
from connector.core.phrases import phrase
from connector.core.times import DAY_MS, iso
from connector.store import reasons, suppression_list
from connector.store.database import now_ms

_PSEUDONYM: Final = re.compile(r"p-([0-9a-f]{32})")
LISTED: Final = 50
SURVEY_AGAIN_MS: Final = 90 * DAY_MS  #: after a survey, at the earliest; the vendor decides


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/search", "search", lambda: page("search.html", asked=False))
    app.add_url_rule("/console/search", "search_done", search, methods=["POST"])
    app.add_url_rule("/console/people/<name>", "person", person)
    app.add_url_rule("/console/events/<name>", "event", event)
    app.add_url_rule("/console/deliveries/<name>", "delivery", delivery)


def search() -> Response:
    """One result leads to its story; several are listed, a person's under their pseudonym."""
    app, text = here(), request.form.get("text", "").strip()
    if not text:
        return page("search.html", asked=False)
    found = list_events(app.database, app.settings, EventFilter(find=text, limit=LISTED))
    if len(found["events"]) == 1:
        return redirected(f"/console/events/{found['events'][0]['event']}")
    if found["events"] and (key := person_key(text, app.settings)):
        return redirected(f"/console/people/p-{key}")
    return page("search.html", asked=True, found=found)


def person(name: str) -> Response:
    """All events with one person's phone or e-mail."""
    app, match = here(), _PSEUDONYM.fullmatch(name)
    if match is None:
        raise NotThere(phrase("Nobody is called so here."))
    with app.database.read() as conn:
        listed = suppression_list.on_list(conn, [match[1]])
        last = last_contact(conn, [match[1]], reaching_people(app.settings))
        waits = next_contact(conn, [match[1]], reaching_people(app.settings))
        now = now_ms(conn)
        surveyed = last_contact(conn, [match[1]], surveying_once_in_90_days(app.settings))
    found = list_events(app.database, app.settings, EventFilter(person=match[1], limit=LISTED))
    facts: dict[str, Any] = {
        "found": found,
        "listed": listed,
        "name": name,
        "last": last,
        "at": iso(last.updated_at) if last else None,
        "survey_again_at": iso(surveyed.updated_at + SURVEY_AGAIN_MS) if surveyed else None,
        "may_survey": surveyed is not None and surveyed.updated_at + SURVEY_AGAIN_MS <= now,
        "waits": waits,
        "due_at": iso(waits.due_at) if waits and waits.due_at > now else None,
        "channel": channel_of(app.settings, waits.route) if waits else "",
        "held": masking.reason(reasons.of(waits)) if waits else "",
    }
    return page("person.html", **facts)


def event(name: str) -> Response:
    """The story of e45."""
    if not re.fullmatch(r"e\d{1,18}", name):
        raise NotThere(phrase("There is no such event here."))
    return _story(name)


def delivery(name: str) -> Response:
    """d123 is shown within its event's story."""
    if not re.fullmatch(r"d\d{1,18}", name):
        raise NotThere(phrase("There is no such delivery here."))
    return _story(name)


def stories_of(name: str) -> list[dict[str, Any]]:
    """The stories of e45 or d123, at least one. Raises `NotThere` in words for a page."""
    app = here()
    missing = phrase("There is no such delivery here.") if name[0] == "d" else phrase("There is no such event here.")
    try:
        stories: list[dict[str, Any]] = explain(app.database, app.settings, name)["events"]
    except NotThere:  # whose words are for a terminal
        raise NotThere(missing) from None
    if not stories:
        raise NotThere(missing)
    return stories


def _story(name: str) -> Response:
    shown = stories_of(name)[0]
    done = DONE.get(request.args.get("done", ""), "")
    return page("story.html", event=shown, name=name, done=done, reveal_reasons=REASONS)
