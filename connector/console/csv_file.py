"""Deliveries as a file for spreadsheets: written piece by piece, persons masked, no cell a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from flask import Response, g

from connector.admin.acts import By, record
from connector.admin.deliveries import Search
from connector.admin.delivery_pages import page
from connector.admin.history import acts_of
from connector.console.reader import Reader
from connector.core.phrases import Phrase, phrase
from connector.core.settings import Settings
from connector.core.states import state_word
from connector.store.acts import Narrowed, What
from connector.store.database import Database

MOST: Final = 10_000  #: rows of a file
AT_ONCE: Final = 500
LOOKS: Final = 200  #: pages that are looked at for them
#: Column -> where its text comes from.
COLUMNS: Final[Sequence[tuple[Phrase, str]]] = (
    (phrase("delivery"), "delivery"),
    (phrase("event"), "event"),
    (phrase("source"), "source"),
    (phrase("kind"), "type"),
    (phrase("came"), "received_at"),
    (phrase("changed"), "changed_at"),
    (phrase("who"), "who"),
    (phrase("route"), "route"),
    (phrase("destination"), "destination"),
    (phrase("state"), "state"),
    (phrase("why"), "reason"),
    (phrase("calls"), "attempts"),
)
#: The same of a file of acts.
ACTS: Final[Sequence[tuple[Phrase, str]]] = (
    (phrase("when"), "at"),
    (phrase("who"), "who"),
    (phrase("what"), "said"),
    (phrase("delivery"), "delivery"),
    (phrase("event"), "event"),
    (phrase("account"), "account"),
    (phrase("why"), "why"),
)
#: A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection).
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def response(settings: Settings, database: Database, search: Search, by: By) -> Response:
    """The file; it is on record before its first row is read. Raises `ConnectorError`, `StoreUnavailable`."""
    search = replace(search, limit=AT_ONCE)
    page(database, settings, replace(search, limit=1))  # what cannot be read is told instead of a file
    record(database, by.act(What.EXPORT))
    pieces = _pieces(settings, database, search, g.reader)
    answer = Response(pieces, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="deliveries.csv"'
    return answer


def of_acts(database: Database, by: By) -> Response:
    """All acts, the latest first; on record as the first of them. Raises `Forbidden`, `StoreUnavailable`."""
    record(database, by.act(What.EXPORT_ACTS))
    answer = Response(_acts(database, g.reader), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="history.csv"'
    return answer


def _acts(database: Database, reader: Reader) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _lines([[reader.say(title) for title, _ in ACTS]])
    before, left = None, MOST
    while left > 0:
        found = acts_of(database, Narrowed(), before, AT_ONCE)
        yield _lines([[cell(_text(name, one[name], reader)) for _, name in ACTS] for one in found["acts"]])
        before, left = found["older"], left - AT_ONCE
        if before is None:
            return


def _pieces(settings: Settings, database: Database, search: Search, reader: Reader) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _lines([[reader.say(title) for title, _ in COLUMNS]])  # with the mark that Excel looks for
    before, left = "", MOST
    for _ in range(LOOKS):
        found = page(database, settings, search, before=before)
        if found.deliveries:
            yield _lines([_row(one, reader) for one in found.deliveries[:left]])
        left -= len(found.deliveries)
        if found.older is None or left <= 0:
            return
        before = found.older


def _row(one: dict[str, Any], reader: Reader) -> list[str]:
    return [cell(_text(name, one[name], reader)) for _, name in COLUMNS]


def _text(name: str, value: Any, reader: Reader) -> str:
    if value is None:
        return ""
    if name == "at" or name.endswith("_at"):
        return reader.exact(value)
    return reader.say(state_word(value) if name == "state" else value) if isinstance(value, str) else str(value)


def cell(text: str) -> str:
    """The text as a spreadsheet shows it, and never runs it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()
