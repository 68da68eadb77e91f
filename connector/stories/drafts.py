"""What a story says of the draft lot in which a delivery waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from connector import lots
from connector.stories.words import iso


def lot_of(conn: Connection, delivery: int) -> dict[str, Any] | None:
    """The delivery's draft lot, as JSON has it; None when it is in none."""
    found = lots.of_delivery(conn, delivery)
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


def told(name: str, lot: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The lot's lines of a story."""
    if lot is None:
        return []
    called = f"draft lot {lot['lot']} of campaign {lot['campaign']}"
    lines = [{"at": lot["since"], "said": f"{name}: in {called}: nobody is surveyed before a person fires it"}]
    if lot["asked"]:
        lines.append({"at": lot["asked_at"], "said": f"{name}: {_WORDS[lot['asked']]} {called} was asked for"})
    if lot["state"] != "draft":
        lines.append({"at": lot["changed_at"], "said": f"{name}: {called} was {_ended(lot)}"})
    return lines


_WORDS: Final = {"fire": "firing", "discard": "discarding"}
_ENDED: Final = {
    "fired": "fired at {} by connector lots",
    "discarded": "discarded at {} by connector lots",
    "gone": "no draft any more, as seen at {}: somebody fired or discarded it at Tracksale",
}


def _ended(lot: Mapping[str, Any]) -> str:
    later = f", to be sent at {lot['fires_at']}" if lot["state"] == "fired" and lot["fires_at"] else ""
    return _ENDED[lot["state"]].format(lot["changed_at"]) + later


def now(lot: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Where a delivery is that its lot took, and what a person can do."""
    called = f"draft lot {lot['lot']} of campaign {lot['campaign']}"
    if lot["asked"]:
        return f"in {called}; {_WORDS[lot['asked']]} it was asked for, and it is not known yet whether that was done", [
            "connector lots asks Tracksale whether it is still a draft"
        ]
    if lot["state"] != "draft":
        return f"in {called}, {_ended(lot)}", []
    return f"in {called}, which nobody has fired yet", [
        f"to survey everybody in it: connector lots fire {lot['account']} {lot['campaign']} {lot['lot']}"
    ]
