"""The story of the draft lot in which a delivery waits for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from connector.core.phrases import Phrase, joined, phrase
from connector.core.states import LotState
from connector.core.times import iso
from connector.vendors.base import Story
from connector.vendors.tracksale import draft_lot_store


def story(conn: Connection, delivery: int) -> Story | None:
    """The story of a delivery that is, or was, in a draft lot."""
    lot = _lot_of(conn, delivery)
    if lot is None:
        return None
    now, todo = _now(lot)
    return Story({"draft_lot": lot}, _lines(lot), now, todo)


def _lot_of(conn: Connection, delivery: int) -> dict[str, Any] | None:
    """The delivery's draft lot, as a JSON value; None if it is in none."""
    found = draft_lot_store.of_delivery(conn, delivery)
    if found is None:
        return None
    lot, since = found
    return {
        "campaign": lot.campaign,
        "lot": lot.code,
        "account": lot.account,
        "state": lot.state,
        "since": iso(since),
        "changed_at": iso(lot.changed_at),
        "fires_at": iso(lot.fires_at),
        "asked": lot.asked,
        "asked_at": iso(lot.asked_at),
    }


def _lines(lot: Mapping[str, Any]) -> list[dict[str, str]]:
    """The lot's lines of a story."""
    called = _called(lot)
    lines: list[dict[str, str]] = [
        {"at": lot["since"], "said": phrase("in {lot}: nobody is surveyed before a person fires it", lot=called)}
    ]
    if lot["asked"]:
        sentence = phrase("{what} {lot} was asked for", what=_WORDS[lot["asked"]], lot=called)
        lines.append({"at": lot["asked_at"], "said": sentence})
    if lot["state"] != LotState.DRAFT:
        lines.append({"at": lot["changed_at"], "said": phrase("{lot} was {ended}", lot=called, ended=_ended(lot))})
    return lines


def _called(lot: Mapping[str, Any]) -> str:
    return phrase("draft lot {lot} of campaign {campaign}", lot=lot["lot"], campaign=lot["campaign"])


_WORDS: Final = {"fire": phrase("firing"), "discard": phrase("discarding")}


def _ended(lot: Mapping[str, Any]) -> str:
    at, is_later = lot["changed_at"], lot["state"] == LotState.FIRED and lot["fires_at"]
    ended: dict[str, Phrase] = {
        LotState.FIRED: phrase("fired at {at} by connector lots", at=at),
        LotState.DISCARDED: phrase("discarded at {at} by connector lots", at=at),
        LotState.GONE: phrase("no draft any more, as seen at {at}: somebody fired or discarded it at Tracksale", at=at),
    }
    return joined([ended[lot["state"]], phrase(", to be sent at {at}", at=lot["fires_at"]) if is_later else ""])


def _now(lot: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The state of a delivery in an ended lot, and the operator's next steps."""
    called = _called(lot)
    if lot["asked"]:
        unknown = "in {lot}; {what} it was asked for, and it is not known yet whether that was done"
        step = phrase("connector lots asks Tracksale whether it is still a draft")
        return phrase(unknown, lot=called, what=_WORDS[lot["asked"]]), [step]
    if lot["state"] != LotState.DRAFT:
        return phrase("in {lot}, {ended}", lot=called, ended=_ended(lot)), []
    facts = {name: lot[name] for name in ("account", "campaign", "lot")}
    fire = phrase("to survey everybody in it: connector lots fire {account} {campaign} {lot}", **facts)
    return phrase("in {lot}, which nobody has fired yet", lot=called), [fire]
