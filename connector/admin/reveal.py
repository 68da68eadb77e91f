"""A person's data, shown to somebody who says why: first the act is on record, then the data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from connector.admin.acts import By
from connector.admin.explain import explain
from connector.core.errors import ConnectorError
from connector.core.phrases import Phrase, phrase
from connector.core.settings import Settings
from connector.core.times import HOUR_MS
from connector.store import acts
from connector.store.acts import What
from connector.store.database import Database, now_ms

MOST_AN_HOUR: Final = 30  #: of one person
SHOWN_MIN: Final = 5  #: minutes after which a page hides it again
#: Why somebody looks, as it is kept.
REASONS: Final[Mapping[str, Phrase]] = {
    "on the line": phrase("the person is on the line"),
    "vendor asks": phrase("the vendor asks"),
    "complaint": phrase("a complaint"),
    "test": phrase("a test"),
    "other": phrase("another reason, in words"),
}


def reveal(database: Database, settings: Settings, event: int, by: By, why: str, words: str = "") -> dict[str, Any]:
    """The story of an event with payload and records as they are.

    Raises `ConnectorError` without a reason or after too many in an hour, `Forbidden`, `NotThere`.
    """
    if why not in REASONS or (why == "other" and not words):
        raise ConnectorError(phrase("Say why you need to see the data: it is kept with your name."))
    stories = explain(database, settings, f"e{event}")["events"]
    if stories and stories[0]["forgotten_at"]:
        raise ConnectorError(
            phrase("Its data was forgotten at {at}: nothing is left to show.", at=stories[0]["forgotten_at"])
        )
    with database.write() as conn:
        now = now_ms(conn)
        if acts.number_of(conn, by.who, What.REVEAL, now - HOUR_MS) >= MOST_AN_HOUR:
            raise ConnectorError(
                phrase("You have looked at {most} persons in an hour: wait a while.", most=MOST_AN_HOUR)
            )
        looker = replace(by, why=words if why == "other" else why)
        acts.append(conn, [looker.act(What.REVEAL, event=event)], now)
    shown: dict[str, Any] = explain(database, settings, f"e{event}", show_record=True)["events"][0]
    return shown
