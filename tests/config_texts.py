"""Pieces of a configuration, the destinations and the environment that its tests share."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from connector.config import loader
from connector.core.settings import Settings
from connector.vendors.destinations import SPECS

ROOT = Path(__file__).resolve().parent.parent
KEY = "whsec_" + base64.b64encode(b"a key for the tests alone").decode()


#: The real table, but for what came later: messages list the names that there are.
DESTINATIONS = {
    name: SPECS[name]
    for name in (
        "wolkvox.add_record",
        "tracksale.dispatch",
        "tracksale.fill_empty_tags",
        "tracksale.note",
        "tracksale.survey_links",
        "tracksale.answers",
        "postcenter.close",
    )
}
ENVIRON = {
    "WOLKVOX_TOKEN": "wolkvox-token-1",
    "TRACKSALE_TOKEN": "tracksale-token-1",
    "POSTCENTER_TOKEN": "postcenter-token-1",
    "LANDING_SECRET": KEY,
    "TICKETS_TOKEN": "tickets-token-1",
    "AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/%2F",
}
DIALLER = """
[accounts.dialler]
vendor = "wolkvox"
server = "0011"
token = "${WOLKVOX_TOKEN}"
"""
SURVEYS = """
[accounts.surveys]
vendor = "tracksale"
token = "${TRACKSALE_TOKEN}"
"""
LANDING = """
[sources.landing]
mapping = "lead"
verify = { scheme = "standard-webhooks", secrets = ["${LANDING_SECRET}"] }
"""
TICKETS = """
[sources.tickets]
mapping = "ticket"
verify = { scheme = "token", header = "X-Token", secrets = ["${TICKETS_TOKEN}"] }
"""
FORM = """
[sources.form]
mapping = "form"
verify = { scheme = "path", secrets = ["s-1"] }
"""
TYPEFORM = """
[sources.typeform]
mapping = "typeform"
verify = { scheme = "typeform", secrets = ["s-1"] }
"""
DIAL = """
[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
"""
SURVEY = """
[[routes]]
name = "survey closed tickets"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
"""
NOTE = """
[[routes]]
name = "note on answers"
on = "ticket.updated"
to = "tracksale.note"
account = "surveys"
"""
LINKS = """
[[routes]]
name = "links"
on = "ticket.closed"
to = "tracksale.survey_links"
account = "surveys"
campaign_code = "52"
"""
ANSWERS = """
[[routes]]
name = "answers"
on = "lead.created"
to = "tracksale.answers"
account = "surveys"
campaign_code = "52"
"""
WHOLE = DIALLER + SURVEYS + LANDING + TICKETS + DIAL + SURVEY + NOTE


def load_text(folder: Path, text: str, **changes: str | None) -> Settings:
    """A configuration text, loaded with an environment changed by keyword (None: not set)."""
    path = folder / "connector.toml"
    path.write_text(text, encoding="utf-8")
    environ = {name: value for name, value in {**ENVIRON, **changes}.items() if value is not None}
    return loader.load(environ, config_path=str(path), destinations=DESTINATIONS)


def example_environment(*, own: bool = True) -> dict[str, str]:
    """config/example.env, and a stand-in for every variable of a source that somebody added to config/connector.toml.

    Whoever added a sender of their own to a clone broke nothing. Without ``own``: the example alone.
    """
    lines = (ROOT / "config" / "example.env").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    text = (ROOT / "config" / "connector.toml").read_text(encoding="utf-8")
    named = re.findall(r"\$\{(\w+)\}", "\n".join(line.split("#")[0] for line in text.splitlines())) if own else []
    return dict.fromkeys(named, "whsec_aW52ZW50ZWQgZm9yIGEgdGVzdA==") | example
