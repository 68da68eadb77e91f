"""Pages that are used less often: the set-up, the glossary."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response

from connector.admin.setup import setup
from connector.console.application import here
from connector.console.parts import page
from connector.core.phrases import phrase

#: A word of the pages -> its meaning.
WORDS: Final = (
    (phrase("event"), phrase("What a sender told us: a lead, a ticket, an answer. It has a number like e45.")),
    (phrase("delivery"), phrase("One event on its way to one destination. It has a number like d123.")),
    (phrase("route"), phrase("The rule that says which events go where, and under which conditions.")),
    (phrase("destination"), phrase("Where deliveries go: a campaign of a dialler, a survey, a ticket.")),
    (phrase("account"), phrase("Our access to a vendor, with its token and the calls it allows.")),
    (phrase("guard"), phrase("A rule that is asked before anything is sent: hours, the list, copies, caps.")),
    (phrase("pending"), phrase("It waits for its turn, for a time, or for another delivery.")),
    (phrase("sending"), phrase("It is part of a call under way.")),
    (phrase("delivered"), phrase("The vendor accepted it.")),
    (phrase("uncertain"), phrase("It may have arrived; the vendor is asked, or a person decides.")),
    (phrase("suppressed"), phrase("A guard or the vendor has a reason not to send it.")),
    (phrase("dead"), phrase("The vendor refused it for good, or nothing can be made of it.")),
    (phrase("paused"), phrase("A person stopped the account's calls. Nothing is lost meanwhile.")),
    (phrase("blocked"), phrase("The vendor's answer stopped the account; a person mends the cause and resumes it.")),
)


def install(app: Flask) -> None:
    """The addresses of these pages."""
    app.add_url_rule("/console/setup", "setup", show_setup)
    app.add_url_rule("/console/words", "words", lambda: page("words.html", words=WORDS))


def show_setup() -> Response:
    return page("setup.html", setup=setup(here().settings))
